"""A local Momento: cache, control and topics over gRPC, on the official protobuf stubs of momento-wire-types.

It answers the unchanged Momento SDK. Every call must carry an accepted API key in the `authorization` header, so a
token that works here has really been retrieved, and a revoked one fails as in production.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import defaultdict, deque
from concurrent.futures import Future
from dataclasses import dataclass, field

import grpc
from momento_wire_types import cacheclient_pb2 as cache_pb
from momento_wire_types import cacheclient_pb2_grpc as cache_grpc
from momento_wire_types import cachepubsub_pb2 as topic_pb
from momento_wire_types import cachepubsub_pb2_grpc as topic_grpc
from momento_wire_types import common_pb2 as common_pb
from momento_wire_types import controlclient_pb2 as control_pb
from momento_wire_types import controlclient_pb2_grpc as control_grpc

from .api_keys import header_value
from .faults import Faults
from .momento_gate import Gate

HEARTBEAT_SECONDS = 10.0
KEPT_MESSAGES = 1_000  # per topic, for a subscriber that resumes at a sequence number

SERVER_OPTIONS = (  # without these a silent subscription gets GOAWAY for its keepalive pings, and dies
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_receive_message_length", 6_000_000),
)


@dataclass
class Item:
    value: bytes
    expires: float  # time.monotonic(), seconds

    @property
    def milliseconds_left(self) -> int:
        return int(max(0.0, self.expires - time.monotonic()) * 1000)


@dataclass
class Topic:
    page: int = field(default_factory=lambda: secrets.randbelow(1 << 31) + 1)
    last: int = 0
    kept: deque = field(default_factory=lambda: deque(maxlen=KEPT_MESSAGES))
    subscribers: set[asyncio.Queue] = field(default_factory=set)

    def publish(self, value: topic_pb._TopicValue, publisher: str) -> None:
        self.last += 1
        message = topic_pb._TopicItem(
            topic_sequence_number=self.last,
            sequence_page=self.page,
            value=value,
            publisher_id=publisher,
        )
        self.kept.append(message)
        for messages in self.subscribers:
            messages.put_nowait(topic_pb._SubscriptionItem(item=message))

    def missed_by(self, number: int, page: int) -> list[topic_pb._SubscriptionItem]:
        """What a new subscriber is sent first: the latest message, or all from the number it asks to resume at."""
        if not number:
            return [topic_pb._SubscriptionItem(item=message) for message in list(self.kept)[-1:]]
        kept = [topic_pb._SubscriptionItem(item=message) for message in self.kept]
        if page in (0, self.page):
            return [message for message in kept if message.item.topic_sequence_number >= number]
        gap = topic_pb._Discontinuity(
            last_topic_sequence=number, new_topic_sequence=self.last, new_sequence_page=self.page
        )
        return [topic_pb._SubscriptionItem(discontinuity=gap), *kept]


class Cache:
    def __init__(self) -> None:
        self.items: dict[bytes, Item] = {}
        self.topics: defaultdict[str, Topic] = defaultdict(Topic)

    def get(self, key: bytes) -> Item | None:
        item = self.items.get(key)
        if item and item.expires <= time.monotonic():
            del self.items[key]
            return None
        return item

    def set(self, key: bytes, value: bytes, ttl_milliseconds: int) -> None:
        self.items[key] = Item(value, time.monotonic() + ttl_milliseconds / 1000)


class State:
    """The caches, shared by the services."""

    def __init__(self, caches: list[str]) -> None:
        self.caches = {name: Cache() for name in caches}

    async def cache(self, name: str, context: grpc.aio.ServicerContext) -> Cache:
        if name not in self.caches:
            # the SDK tells a missing cache from other missing things by this trailer
            context.set_trailing_metadata((("err", "cache_not_found"),))
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Cache with name: {name} does not exist")
        return self.caches[name]

    async def named(self, context: grpc.aio.ServicerContext) -> Cache:
        """The cache that a data call names in its metadata."""
        return await self.cache(dict(context.invocation_metadata()).get("cache", ""), context)


async def _refuse(context: grpc.aio.ServicerContext, message: str) -> None:
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)


class Service:
    def __init__(self, state: State) -> None:
        self.state = state


class Control(Service, control_grpc.ScsControlServicer):
    async def CreateCache(self, request, context):
        if not request.cache_name.strip():
            await _refuse(context, "Cache name must not be empty")
        if request.cache_name in self.state.caches:
            await context.abort(
                grpc.StatusCode.ALREADY_EXISTS,
                f"Cache with name: {request.cache_name} already exists",
            )
        self.state.caches[request.cache_name] = Cache()
        return control_pb._CreateCacheResponse()

    async def DeleteCache(self, request, context):
        await self.state.cache(request.cache_name, context)
        del self.state.caches[request.cache_name]
        return control_pb._DeleteCacheResponse()

    async def ListCaches(self, request, context):
        return control_pb._ListCachesResponse(
            cache=[control_pb._Cache(cache_name=n) for n in sorted(self.state.caches)]
        )

    async def FlushCache(self, request, context):
        (await self.state.cache(request.cache_name, context)).items.clear()
        return control_pb._FlushCacheResponse()


class Data(Service, cache_grpc.ScsServicer):
    async def Get(self, request, context):
        return _get_response((await self.state.named(context)).get(request.cache_key))

    async def GetBatch(self, request, context):
        cache = await self.state.named(context)
        for wanted in request.items:
            yield _get_response(cache.get(wanted.cache_key))

    async def Set(self, request, context):
        cache = await self.state.named(context)
        await _check_ttl(request, context)
        cache.set(request.cache_key, request.cache_body, request.ttl_milliseconds)
        return cache_pb._SetResponse(result=cache_pb.Ok)

    async def SetBatch(self, request, context):
        for one in request.items:
            yield await self.Set(one, context)

    async def SetIf(self, request, context):
        cache = await self.state.named(context)
        await _check_ttl(request, context)
        item = cache.get(request.cache_key)
        condition = request.WhichOneof("condition")
        equal = item is not None and item.value == getattr(getattr(request, condition), "value_to_check", None)
        met = {
            "present": item is not None,
            "absent": item is None,
            "equal": equal,
            "not_equal": not equal,
            "present_and_not_equal": item is not None and not equal,
            "absent_or_equal": item is None or equal,
        }[condition]
        if not met:
            return cache_pb._SetIfResponse(not_stored=cache_pb._SetIfResponse._NotStored())
        cache.set(request.cache_key, request.cache_body, request.ttl_milliseconds)
        return cache_pb._SetIfResponse(stored=cache_pb._SetIfResponse._Stored())

    async def SetIfNotExists(self, request, context):
        """The older name of SetIf with the condition `absent`; its answer has the same form."""
        newer = cache_pb._SetIfRequest.FromString(request.SerializeToString())
        newer.absent.SetInParent()
        stored = (await self.SetIf(newer, context)).HasField("stored")
        response = cache_pb._SetIfNotExistsResponse
        return response(stored=response._Stored()) if stored else response(not_stored=response._NotStored())

    async def Delete(self, request, context):
        (await self.state.named(context)).items.pop(request.cache_key, None)
        return cache_pb._DeleteResponse()

    async def KeysExist(self, request, context):
        cache = await self.state.named(context)
        return cache_pb._KeysExistResponse(exists=[cache.get(key) is not None for key in request.cache_keys])

    async def Increment(self, request, context):
        cache = await self.state.named(context)
        await _check_ttl(request, context)
        item = cache.get(request.cache_key)
        try:
            value = int(item.value if item else 0) + request.amount
        except ValueError:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "The stored value is not an integer")
        cache.set(request.cache_key, str(value).encode(), request.ttl_milliseconds)
        return cache_pb._IncrementResponse(value=value)

    async def UpdateTtl(self, request, context):
        item = (await self.state.named(context)).get(request.cache_key)
        response = cache_pb._UpdateTtlResponse
        if item is None:
            return response(missing=response._Missing())
        way = request.WhichOneof("update_ttl")
        wanted = getattr(request, way)
        left = item.milliseconds_left
        if (way.startswith("increase") and wanted <= left) or (way.startswith("decrease") and wanted >= left):
            return response(not_set=response._NotSet())
        item.expires = time.monotonic() + wanted / 1000
        return response(set=response._Set())

    async def ItemGetTtl(self, request, context):
        item = (await self.state.named(context)).get(request.cache_key)
        response = cache_pb._ItemGetTtlResponse
        if item is None:
            return response(missing=response._Missing())
        return response(found=response._Found(remaining_ttl_millis=item.milliseconds_left))


def _get_response(item: Item | None) -> cache_pb._GetResponse:
    if item is None:
        return cache_pb._GetResponse(result=cache_pb.Miss)
    return cache_pb._GetResponse(result=cache_pb.Hit, cache_body=item.value)


async def _check_ttl(request, context) -> None:
    if request.ttl_milliseconds <= 0:
        await _refuse(context, "TTL must be positive")


class Topics(Service, topic_grpc.PubsubServicer):
    async def Publish(self, request, context):
        cache = await self.state.cache(request.cache_name, context)
        cache.topics[request.topic].publish(request.value, publisher=context.peer())
        return common_pb._Empty()

    async def Subscribe(self, request, context):
        topic = (await self.state.cache(request.cache_name, context)).topics[request.topic]
        messages: asyncio.Queue = asyncio.Queue()
        topic.subscribers.add(messages)  # before the first yield, so that nothing published meanwhile is lost
        missed = topic.missed_by(request.resume_at_topic_sequence_number, request.sequence_page)
        heartbeat = topic_pb._SubscriptionItem(heartbeat=topic_pb._Heartbeat())
        try:
            yield heartbeat  # the SDK takes the first message, always a heartbeat, for "subscribed"
            for message in missed:
                yield message
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        message = await messages.get()
                except TimeoutError:
                    message = heartbeat
                yield message
        finally:
            topic.subscribers.discard(messages)


async def _ping(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return b""  # an empty protobuf message; the Python stubs no longer carry the Ping service, other SDKs call it


class MomentoServer:
    """Serves on 127.0.0.1 at `port`, in a thread with an event loop of its own, until the process ends."""

    def __init__(self, caches: list[str], faults: Faults) -> None:
        self.accepted: set[str] = set()  # values of the `authorization` header
        self._state = State(caches)
        self._faults = faults
        started: Future[int] = Future()
        threading.Thread(target=asyncio.run, args=(self._serve(started),), name="momento", daemon=True).start()
        self.port = started.result()

    def accept(self, api_key: str) -> None:
        self.accepted.add(header_value(api_key))

    def accepts(self, api_key: str) -> bool:
        return header_value(api_key) in self.accepted

    def revoke(self, api_key: str) -> None:
        """From now on calls with this key fail. As a call is authorized when it starts, open subscriptions live on."""
        self.accepted.discard(header_value(api_key))

    def start_over(self, caches: list[str]) -> None:
        """Empty caches of these names, and no key is accepted."""
        self._state.caches = {name: Cache() for name in caches}
        self.accepted.clear()

    async def _serve(self, started: Future[int]) -> None:
        services = {
            "control_client.ScsControl": (
                Control(self._state),
                control_grpc.add_ScsControlServicer_to_server,
            ),
            "cache_client.Scs": (Data(self._state), cache_grpc.add_ScsServicer_to_server),
            "cache_client.pubsub.Pubsub": (
                Topics(self._state),
                topic_grpc.add_PubsubServicer_to_server,
            ),
        }
        spoken = {f"/{name}/{call}" for name, (servicer, _) in services.items() for call in vars(type(servicer))}
        gate = Gate(self.accepted, spoken | {"/cache_client.Ping/Ping"}, self._faults)
        server = grpc.aio.server(interceptors=[gate], options=SERVER_OPTIONS)
        for servicer, add_to in services.values():
            add_to(servicer, server)
        ping = grpc.method_handlers_generic_handler(
            "cache_client.Ping", {"Ping": grpc.unary_unary_rpc_method_handler(_ping)}
        )
        server.add_generic_rpc_handlers((ping,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        started.set_result(port)
        await server.wait_for_termination()
