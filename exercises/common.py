"""What the exercises share: how a check answers, and what several of them try out.

A check is a generator. It observes, then yields its mistakes in order, the first that applies is the answer:

    yield (does it apply?), "what was seen", "the hint for that"

and returns what a right solution is told. It looks at what arrived at the other end: what Momento holds, what the sandbox
counted, which versions a secret has. What the learner's function says of itself is compared with that, and proves nothing.

Whatever a learner wrote is run by `run_learner`, and what it did to secrets, tokens and faults is undone after the check.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import wraps
from random import randint
from typing import Any, ParamSpec
from uuid import uuid4

from botocore.exceptions import ClientError
from momento import CacheClient, Configurations
from momento.responses import CacheGet, ListCaches

from drills.learner_code import (
    Run,
    Secret,
    as_before,
    changed,
    run,
    secrets_manager,
    secrets_now,
)
from helpers.cloud import Cloud
from helpers.display import Note
from helpers.ledger import error_code
from momento_token import TokenError

from .learner_record import note_attempt

REQUESTS = 5  # what an exercise sends through a learner's handler

Mistake = tuple[object, *tuple[str, ...]]  # does it apply; what was seen, and the hint for it
Check = Generator[Mistake, None, str]
P = ParamSpec("P")


def exercise(name: str) -> Callable[[Callable[P, Check]], Callable[P, Note]]:
    """Make a check answer with a note, and put it down in the learner's record under this name."""

    def decorate(check: Callable[P, Check]) -> Callable[P, Note]:
        @wraps(check)
        def checked(*arguments: P.args, **options: P.kwargs) -> Note:
            with ExitStack() as stack:
                if arguments and isinstance(arguments[0], Cloud):
                    stack.enter_context(as_before(arguments[0]))
                answer = _first_mistake(check(*arguments, **options))
            note_attempt(name, solved=answer.mood == "good")
            return answer

        return checked

    return decorate


def _first_mistake(check: Check) -> Note:
    try:
        while True:
            applies, *lines = next(check)
            if applies:
                return Note("Not yet.", *lines)
    except StopIteration as end:
        return Note("Solved.", *end.value.splitlines(), mood="good")
    except (ClientError, TokenError) as error:  # the check's own: what it needs is gone
        return Note(
            "Not yet.",
            f"After your code had run, the check could not go on ({error_code(error)}).",
            "It changed or deleted a secret that the check, and your service, need: it should only read.",
        )
    finally:
        check.close()  # what it made for its observation goes, also when it was left half way


def run_learner(call: Callable[..., Any], *arguments: object) -> Run:
    """Call what the learner wrote. What it raises, and that it doesn't come back, are observations like any other."""
    return run(call, *arguments)


def misbehaved(
    done: Run, who: str, if_raised: str = "Call it once in a cell of its own to see why."
) -> Iterator[Mistake]:
    """The mistakes that any code can make, whatever it was to do."""
    yield (
        done.ended,
        f"{who} tried to end the process.",
        "In a service that ends every other request too: return, or raise an exception.",
    )
    yield (
        done.hung,
        f"{who} has not come back within {done.hung:g} s.",
        "Call it in a cell of its own and interrupt it: the traceback shows what it waits for.",
    )
    yield (
        done.error is not None and not isinstance(done.error, Exception),
        f"{who} raised {done.raised}.",
        "That is meant to end a program, and most error handlers let it pass: raise an Exception.",
    )
    yield done.error, f"{who} raised {done.what_was_raised}.", if_raised
    yield (
        done.shows_a_key,
        f"{who} printed a token.",
        "Outputs and logs are kept, copied and searched: print its length, if anything.",
    )


def unfinished(value: object, who: str) -> Iterator[Mistake]:
    """A coroutine or a generator, of which nothing has run."""
    coroutine = inspect.isawaitable(value) or inspect.isasyncgen(value)
    if inspect.iscoroutine(value):
        value.close()  # else Python warns that nobody awaited it
    yield (
        coroutine,
        f"{who} returned a {type(value).__name__}, so nothing of it has run.",
        "Write `def` and not `async def`: the check calls a plain function.",
    )
    yield (
        inspect.isgenerator(value),
        f"{who} returned a generator, so nothing of it has run.",
        "Use `return` in place of `yield`.",
    )


def function_of(make: Callable[[], Any], name: str) -> Generator[Mistake, None, Callable[..., Any]]:
    """The function that `make()` gives, for `serve = yield from function_of(…)`; the mistakes that hinder it."""
    yield not callable(make), f"`{name}` is no function.", f"Define it with `def {name}():`."
    made = run_learner(make)
    yield from misbehaved(made, name)
    yield from unfinished(made.returned, name)
    yield (
        not callable(made.returned),
        f"{name} gives no function.",
        "Define a function inside it, and end it with `return` and that function's name.",
    )
    return made.returned


@contextmanager
def harmless(cloud: Cloud, look: Callable[[], dict[str, Secret]] = secrets_now) -> Iterator[list[Mistake]]:
    """Fills the list that it gives, when the block has ended, with the mistake of a code that should have only read."""
    found: list[Mistake] = []
    if cloud.mode != "sandbox":
        yield found
        return
    before = look()
    yield found
    cloud.clear_faults()
    did = changed(before, look())
    found.append(
        (did, f"Your code {did}.", "It should only read: whatever else it does to a secret, leave out.")
    )  # fmt: skip


class Counted(Counter[str]):
    """What arrived at the other end, by `service.operation`; `clients` are Momento cache clients that made their first call."""

    clients = 0

    @property
    def reads(self) -> int:
        return self["aws.GetSecretValue"]

    @property
    def momento_calls(self) -> int:
        return sum(count for name, count in self.items() if name.startswith("momento."))


@contextmanager
def counting(cloud: Cloud) -> Iterator[Counted]:
    """Count what arrives while the block runs: the sandbox counts; live, the ledger, which sees what tells it."""
    counted = Counted()
    if cloud.mode != "sandbox":
        with cloud.ledger.page("your code") as page:
            yield counted
        counted.update(f"{_PREFIX[call.service]}.{call.operation}" for call in page.calls)
        counted.clients = page.momento_clients
        return
    before, clients = cloud.calls_seen(), cloud.clients_seen()
    yield counted
    counted.update(Counter(cloud.calls_seen()) - Counter(before))
    counted.clients = cloud.clients_seen() - clients


_PREFIX = {"Secrets Manager": "aws", "Momento": "momento"}


@contextmanager
def momento(cloud: Cloud, name: str) -> Iterator[CacheClient]:
    """A client of the check's own, with the token that the secret of this name holds."""
    credentials = cloud.credentials_from(current_value(name))
    with CacheClient(Configurations.Laptop.v1(), credentials, timedelta(minutes=10)) as client:
        yield client


def number_at(client: CacheClient, cache_name: str, key: str) -> int | None:
    """The counter that Momento holds under this key; None if there is none."""
    answer = client.get(cache_name, key)
    if isinstance(answer, CacheGet.Hit):
        with suppress(ValueError):
            return int(answer.value_string)
    return None


def serve(
    cloud: Cloud, secret_name: str, cache_name: str, handle: Callable[[str], object]
) -> Generator[Mistake, None, Counted]:
    """Send `REQUESTS` through a handler, for `counted = yield from serve(…)`: the mistakes that any handler can make.

    A sound one makes three Momento calls for each request, set, increment and get, and answers how often the user was
    here. The users have been here before, which only Momento knows.
    """
    yield not callable(handle), "`handle` is no function.", "Define it with `def handle(user):`."
    users = [f"user-{uuid4()}" for _ in range(REQUESTS - 1)]
    users.append(users[0])  # comes twice
    before = {user: randint(100, 999) for user in users}
    with momento(cloud, secret_name) as client:
        for user, visits in before.items():
            client.increment(cache_name, f"{user}/visits", visits)
        with harmless(cloud) as harm, counting(cloud) as counted:
            done = run_learner(lambda: [handle(user) for user in users])
        after = {user: number_at(client, cache_name, f"{user}/visits") for user in before}
        seen_keys = [isinstance(client.get(cache_name, f"{user}/seen"), CacheGet.Hit) for user in before]  # fmt: skip
    yield from misbehaved(done, "Your handler")
    answers = done.returned
    for answer in answers:
        yield from unfinished(answer, "Your handler")
    yield from harm
    seen = f"{REQUESTS} requests made {counted_as(counted.reads, 'read')} of the secret and {counted_as(counted.momento_calls, 'Momento call')}."
    yield (
        all(answer is None for answer in answers),
        seen,
        "Your handler returns nothing: return what the third call answers.",
    )
    made = [counted[f"momento.{call}"] for call in ("Set", "Increment", "Get")]
    yield (
        counted.momento_calls != 3 * REQUESTS or made != [REQUESTS] * 3,
        f"{seen} Set, increment and get came {', '.join(map(str, made))} times.",
        "Each request should set, increment and get: these three Momento calls, each once.",
    )
    expected_visits = {user: before[user] + users.count(user) for user in before}
    yield (
        after != expected_visits or not all(seen_keys),
        "The counters at Momento aren't what they should be after these requests.",
        "Keep the three calls of the handler above as they are, with their keys.",
    )
    expected = [before[user] + users[: place + 1].count(user) for place, user in enumerate(users)]
    yield (
        [type(answer) for answer in answers] != [int] * REQUESTS or answers != expected,
        "The answers differ from the counters at Momento.",
        "Return the number that the third call gets: how often this user was here.",
    )
    return counted


@contextmanager
def secrets(tags: Mapping[str, list[dict[str, str]]], value: str = "nobody's business") -> Iterator[None]:
    """Secrets of these names, with these tags, for as long as the `with` block runs."""
    client = secrets_manager()
    for name, its in tags.items():
        client.create_secret(Name=name, SecretString=value, Tags=its)
    try:
        yield
    finally:
        for name in tags:
            with suppress(client.exceptions.ResourceNotFoundException):  # a learner's code had it
                client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def current_value(name: str) -> str:
    """The text that this secret holds now."""
    answer = secrets_manager().get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
    return answer["SecretString"]


def new_key(cloud: Cloud, name: str, revoke: bool = False) -> str:
    """Put a new API key into the secret; if asked, the one that was there is revoked. Returns the new one."""
    before, key = current_value(name), cloud.issue_api_key()
    secrets_manager().put_secret_value(SecretId=name, SecretString=key)
    if revoke:
        cloud.revoke_api_key(before)
    return key


def counted_as(number: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def is_text(value: object, text: str) -> bool:
    """Is it this text, whatever its class says of being equal?"""
    return isinstance(value, str) and str.__eq__(text, str.__str__(value))


def refusal_of(cloud: Cloud, token: str) -> str | None:
    """The error code with which Momento refuses this token, or None if it accepts it."""
    with CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(token), timedelta(minutes=1)) as client:
        answer = client.list_caches()
    return answer.error_code.name if isinstance(answer, ListCaches.Error) else None
