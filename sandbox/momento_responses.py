"""A local Momento: what it answers to each call of its cache, control and topics services.

Each answer is a plain function of the request, in the messages of momento-wire-types; nothing here waits. The calls are
those that the collection makes and that the SDK's own tests of control, scalars, topics and clients make.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from momento_wire_types import cacheclient_pb2 as cache_pb
from momento_wire_types import cachepubsub_pb2 as topic_pb
from momento_wire_types import common_pb2 as common_pb
from momento_wire_types import controlclient_pb2 as control_pb

KEPT_MESSAGES = 1_000  # per topic, for a subscriber that resumes at a sequence number
HEARTBEAT = topic_pb._SubscriptionItem(heartbeat=topic_pb._Heartbeat())


class Refused(Exception):
    """The response is this error: the name of a gRPC status, and a message."""

    def __init__(self, status: str, message: str, trailers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status, self.message, self.trailers = status, message, trailers


@dataclass
class Item:
    value: bytes
    expires: float  # time.monotonic(), seconds


class Subscription:
    """The messages for one subscriber, oldest first in `waiting`. `arrived` is called when another one comes."""

    def __init__(self, topic: Topic, number: int, page: int) -> None:
        # The SDK takes the first message, always a heartbeat, for "subscribed".
        self.waiting = deque([HEARTBEAT, *topic.missed_by(number, page)])
        self.arrived: Callable[[], object] = lambda: None
        self._topic = topic
        topic.subscriptions.append(self)

    def end(self) -> None:
        self._topic.subscriptions.remove(self)


@dataclass
class Topic:
    page: int = field(default_factory=lambda: secrets.randbelow(1 << 31) + 1)
    last: int = 0
    kept: deque[Any] = field(default_factory=lambda: deque(maxlen=KEPT_MESSAGES))
    subscriptions: list[Subscription] = field(default_factory=list)

    def publish(self, value: Any) -> None:
        self.last += 1
        item = topic_pb._TopicItem(topic_sequence_number=self.last, sequence_page=self.page, value=value)
        message = topic_pb._SubscriptionItem(item=item)
        self.kept.append(message)
        for subscription in self.subscriptions:
            subscription.waiting.append(message)
            subscription.arrived()

    def missed_by(self, number: int, page: int) -> list[Any]:
        """Return what a new subscriber is sent first: the latest message, or all from the number it resumes at."""
        if not number:
            return list(self.kept)[-1:]
        if page in (0, self.page):
            return [message for message in self.kept if message.item.topic_sequence_number >= number]
        gap = topic_pb._Discontinuity(
            last_topic_sequence=number, new_topic_sequence=self.last, new_sequence_page=self.page
        )
        return [topic_pb._SubscriptionItem(discontinuity=gap), *self.kept]


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

    def set(self, request: Any, value: bytes) -> None:
        if request.ttl_milliseconds <= 0:
            raise Refused("INVALID_ARGUMENT", "TTL must be positive")
        self.items[request.cache_key] = Item(value, time.monotonic() + request.ttl_milliseconds / 1000)


class Momento:
    """The caches of one account. `answer` is the way in."""

    def __init__(self, caches: list[str]) -> None:
        self.start_over(caches)

    def start_over(self, caches: list[str]) -> None:
        """Hold empty caches of these names and nothing else."""
        self.caches = {name: Cache() for name in caches}

    def answer(self, method: str, request: Any, cache_name: str) -> Any:
        """Return the response to a call, a message or a `Subscription`.

        `method` is its path, `cache_name` what the call's metadata name. Raises `Refused`, for one that isn't in `METHODS`, too.
        """
        if method not in METHODS:
            operation, what = method.rpartition("/")[2], "it has caches, scalar items and topics; try this call live."
            raise Refused("UNIMPLEMENTED", f"The sandbox doesn't answer {operation}: {what}")
        function, _ = METHODS[method]
        if method.startswith("/cache_client.Scs/"):
            return function(self, request, self._cache(cache_name))
        return function(self, request)

    def _cache(self, name: str) -> Cache:
        if name not in self.caches:
            # The SDK tells a missing cache from other missing things by this trailer.
            raise Refused("NOT_FOUND", f"Cache with name: {name} does not exist", (("err", "cache_not_found"),))
        return self.caches[name]

    def _create_cache(self, request: Any) -> Any:
        name = request.cache_name
        if not name.strip():
            raise Refused("INVALID_ARGUMENT", "Cache name must not be empty")
        if name in self.caches:
            raise Refused("ALREADY_EXISTS", f"Cache with name: {name} already exists")
        self.caches[name] = Cache()
        return control_pb._CreateCacheResponse()

    def _delete_cache(self, request: Any) -> Any:
        self._cache(request.cache_name)
        del self.caches[request.cache_name]
        return control_pb._DeleteCacheResponse()

    def _list_caches(self, request: Any) -> Any:
        return control_pb._ListCachesResponse(
            cache=[control_pb._Cache(cache_name=name) for name in sorted(self.caches)]
        )

    def _flush_cache(self, request: Any) -> Any:
        self._cache(request.cache_name).items.clear()
        return control_pb._FlushCacheResponse()

    def _get(self, request: Any, cache: Cache) -> Any:
        item = cache.get(request.cache_key)
        if item is None:
            return cache_pb._GetResponse(result=cache_pb.Miss)
        return cache_pb._GetResponse(result=cache_pb.Hit, cache_body=item.value)

    def _set(self, request: Any, cache: Cache) -> Any:
        cache.set(request, request.cache_body)
        return cache_pb._SetResponse(result=cache_pb.Ok)

    def _set_if_not_exists(self, request: Any, cache: Cache) -> Any:
        response = cache_pb._SetIfNotExistsResponse
        if cache.get(request.cache_key):
            return response(not_stored=response._NotStored())
        cache.set(request, request.cache_body)
        return response(stored=response._Stored())

    def _delete(self, request: Any, cache: Cache) -> Any:
        cache.items.pop(request.cache_key, None)
        return cache_pb._DeleteResponse()

    def _increment(self, request: Any, cache: Cache) -> Any:
        item = cache.get(request.cache_key)
        try:
            response = cache_pb._IncrementResponse(value=int(item.value if item else 0) + request.amount)
        except ValueError:
            raise Refused("FAILED_PRECONDITION", "The value is not an integer of 64 bits") from None
        cache.set(request, str(response.value).encode())
        return response

    def _publish(self, request: Any) -> Any:
        self._cache(request.cache_name).topics[request.topic].publish(request.value)
        return common_pb._Empty()

    def _subscribe(self, request: Any) -> Subscription:
        topic = self._cache(request.cache_name).topics[request.topic]
        return Subscription(topic, request.resume_at_topic_sequence_number, request.sequence_page)


# Each call that is answered, and the message of its request.
METHODS: dict[str, tuple[Callable[..., Any], Any]] = {
    "/control_client.ScsControl/CreateCache": (Momento._create_cache, control_pb._CreateCacheRequest),
    "/control_client.ScsControl/DeleteCache": (Momento._delete_cache, control_pb._DeleteCacheRequest),
    "/control_client.ScsControl/ListCaches": (Momento._list_caches, control_pb._ListCachesRequest),
    "/control_client.ScsControl/FlushCache": (Momento._flush_cache, control_pb._FlushCacheRequest),
    "/cache_client.Scs/Get": (Momento._get, cache_pb._GetRequest),
    "/cache_client.Scs/Set": (Momento._set, cache_pb._SetRequest),
    "/cache_client.Scs/SetIfNotExists": (Momento._set_if_not_exists, cache_pb._SetIfNotExistsRequest),
    "/cache_client.Scs/Delete": (Momento._delete, cache_pb._DeleteRequest),
    "/cache_client.Scs/Increment": (Momento._increment, cache_pb._IncrementRequest),
    "/cache_client.pubsub.Pubsub/Publish": (Momento._publish, topic_pb._PublishRequest),
    "/cache_client.pubsub.Pubsub/Subscribe": (Momento._subscribe, topic_pb._SubscriptionRequest),
}
