"""What every call to the local Momento passes before it is answered."""

from __future__ import annotations

import asyncio

import grpc

from .faults import Faults


class Gate(grpc.aio.ServerInterceptor):
    """What every call passes: it is counted, may meet a fault, must be authorized and must be one we speak."""

    def __init__(self, accepted: set[str], spoken: set[str], faults: Faults) -> None:
        self.accepted, self.spoken, self.faults = accepted, spoken, faults

    async def intercept_service(self, continuation, details):
        operation = details.method.rpartition("/")[2]
        metadata = dict(details.invocation_metadata)
        is_first = "agent" in metadata  # the SDK says its name with a client's first call, and never again
        if is_first and details.method.startswith("/cache_client.Scs/"):
            self.faults.note_client()
        fault = self.faults.meet("momento", operation)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.error:
            return _aborting(grpc.StatusCode[fault.error], fault.message)
        if metadata.get("authorization") not in self.accepted:
            return _aborting(
                grpc.StatusCode.UNAUTHENTICATED,
                "Invalid authentication credentials to access the service",
            )
        if details.method not in self.spoken:
            return _aborting(
                grpc.StatusCode.UNIMPLEMENTED,
                f"The sandbox does not speak {operation}: it has caches, scalar items and topics; try this call live.",
            )
        return self._noting_the_connection(await continuation(details), is_first)

    def _noting_the_connection(self, handler: grpc.RpcMethodHandler, is_first: bool) -> grpc.RpcMethodHandler:
        """The same handler, after telling which TCP connection the call came by: only its context knows."""

        async def travel(context: grpc.aio.ServicerContext) -> None:
            if seconds := self.faults.travel("momento", context.peer(), is_first):
                await asyncio.sleep(seconds)

        async def unary(request, context):
            await travel(context)
            return await handler.unary_unary(request, context)

        async def stream(request, context):
            await travel(context)
            async for answer in handler.unary_stream(request, context):
                yield answer

        make, behaviour = (
            (grpc.unary_stream_rpc_method_handler, stream)
            if handler.response_streaming
            else (grpc.unary_unary_rpc_method_handler, unary)
        )
        return make(behaviour, handler.request_deserializer, handler.response_serializer)


def _aborting(code: grpc.StatusCode, message: str) -> grpc.RpcMethodHandler:
    async def abort(request, context):
        await context.abort(code, message)

    return grpc.unary_unary_rpc_method_handler(abort)
