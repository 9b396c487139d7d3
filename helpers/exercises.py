"""Checks of the exercises. They run what the learner made, and answer with the hint for the mistake they find.

An unsolved exercise says "Not yet" and never raises, so that a notebook always runs to its end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .capstone import Service, findings, rotate
from .cloud import TAGS, Cloud
from .fault_lab import OLD_COPY, errors_of_boto3
from .ledger import Page
from .measure import OVERLAP, Result, at_once
from .pricing import Fleet, PricingError
from .progress import note_attempt
from .show import Note, dollars
from .tokens import TokenError, check

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from momento import CredentialProvider


def reveal(guess: object, counted: int, unit: str, source: str = "the ledger") -> Note:
    """Set the learner's guess beside what the ledger, or another source, counted."""
    if isinstance(guess, bool) or not isinstance(guess, (int, float)) or guess < 0:
        return _not_yet(
            f"{source[0].upper()}{source[1:]} counted {counted:,} {unit}.",
            "Your guess should be a number, such as 10.",
        )
    if guess == counted:
        return Note(f"You said {guess:,}, and so does {source}: {counted:,} {unit}.", mood="good")
    return Note(f"You said {guess:,}; {source} counted {counted:,} {unit}.")


def _exercise(number: str) -> Callable[[Callable[..., Note]], Callable[..., Note]]:
    """Note in the learner's progress what the check of this notebook's exercise answers."""

    def decorate(check: Callable[..., Note]) -> Callable[..., Note]:
        @wraps(check)
        def checked(*arguments: Any, **options: Any) -> Note:
            answer = check(*arguments, **options)
            note_attempt(number, solved=answer.mood == "good")
            return answer

        return checked

    return decorate


@_exercise("00")
def check_first_call(answer: object, page: Page) -> Note:
    """Exercise of 00: the name of the first call on a page of the ledger that came from AWS's library."""
    first, second = (call.operation for call in page.calls[:2])
    if not isinstance(answer, str) or not answer.strip():
        return _not_yet(
            "There is no answer yet.", "Put the name of a call between the quotation marks."
        )
    said = answer.strip()
    if said == first:
        return _solved(
            f"The ledger wrote down {first}, then {second}: the library asks what is current before it fetches it."
        )
    if said == second:
        return _not_yet(
            f"{said} was the second.", "The ledger lists calls in the order in which they came."
        )
    if said.replace("_", "").lower() in (first.lower(), second.lower()):
        return _not_yet(
            f"{said} is how Python spells it.",
            "Take the name from the ledger, as AWS's price list and CloudTrail have it.",
        )
    return _not_yet(
        f"{said} isn't on the page.", "Look at the column Call of the ledger's last table."
    )


@_exercise("01")
def check_stored_token(cloud: Cloud, name: str) -> Note:
    """Exercise of 01: is the secret `name` the token alone, as text, and does Momento accept it?"""
    import boto3

    client = boto3.client("secretsmanager")
    try:
        answer = client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
    except client.exceptions.ResourceNotFoundException:
        return _not_yet(
            f"There is no secret {name} yet.",
            "Create it with client.create_secret(Name=…, SecretString=…).",
        )
    except client.exceptions.InvalidRequestException:
        return _not_yet(
            f"The secret {name} waits for its deletion.",
            "Bring it back with client.restore_secret(…).",
        )
    try:
        check(answer.get("SecretString"))
    except TokenError as error:
        return _not_yet(
            str(error),
            f"Repair the text, then client.put_secret_value(SecretId={name!r}, SecretString=…).",
        )
    refusal = _refusal(cloud, answer["SecretString"])
    if refusal:
        return _not_yet(
            f"The secret has the right shape, but Momento answers {refusal}.",
            "Is it the key you were sent, whole and unchanged between the quotation marks?",
        )
    tags = {
        tag["Key"]: tag["Value"] for tag in client.describe_secret(SecretId=name).get("Tags", [])
    }
    if not tags:
        return _not_yet(
            "The token is right, and Momento accepts it. One thing is missing: the secret has no tag.",
            f"client.tag_resource(SecretId={name!r}, Tags=[…]) adds one, so that your team can find what it owns.",
        )
    return _solved(
        "The secret holds the token alone, it is tagged, and Momento accepted it just now."
    )


@_exercise("01b")
def check_read_token(cloud: Cloud, read_token: Callable[[str], object]) -> Note:
    """Exercise of 01: does `read_token(name)` give a token that can be used, or say in a `TokenError` why there is none?"""
    token = str(cloud.issue_api_key())
    for stored in (token, f"{token}\n"):
        try:
            found = _read(read_token, stored)
        except Exception as error:
            what = "a token" if stored == token else "a token with a line break at its end"
            return _not_yet(
                f"For {what} it raised {type(error).__name__}.",
                "That secret can be used: take the white space off before you check it.",
            )
        if found is None:
            return _not_yet("It returns nothing.", "Return the token.")
        if found != token:
            return _not_yet(
                "A token with a line break at its end came back with it, or changed.",
                "White space is never part of a key: strip() takes it off.",
            )
    for what, stored in _USELESS.items():
        try:
            _read(read_token, stored)
        except TokenError:
            continue
        except Exception as error:
            return _not_yet(
                f"For {what} it raised {type(error).__name__}, which names no cause.",
                "Let check() look at it before anything takes it apart.",
            )
        return _not_yet(
            f"It handed on {what} as if it were a token.", "check() says what is wrong with it."
        )
    return _solved("A token comes back clean, and three mistakes of others are named at once.")


_USELESS = {
    "the JSON of the tab Key/value": '{"MOMENTO_API_KEY": "..."}',
    "half a token": "eyJhbGciOiJIUzI1NiIsInR5cCI6",
    "something else in base64": "bm90IGEga2V5",
}


def _read(read_token: Callable[[str], object], stored: str) -> object:
    """What `read_token` makes of a new secret that holds this."""
    name = f"exercise/{uuid4()}"
    with _secrets({name: TAGS}, value=stored):
        return read_token(name)


REQUESTS = 5  # what an exercise sends through a learner's handler


@_exercise("03")
def check_reads_per_request(
    cloud: Cloud, handle: Callable[[str], object], expected: object
) -> Note:
    """Exercise of 03: does `handle(user)` do its three Momento calls with one read of the secret for each request?"""
    page, fault = _serve(cloud, handle, expected)
    if fault:
        return fault
    reads = page.count("GetSecretValue")
    seen = f"{REQUESTS} requests made {reads} reads of the secret and {3 * REQUESTS} Momento calls."
    if reads == 0:
        return _not_yet(
            seen,
            "The token has to come from Secrets Manager: keeping it longer is for notebook 04.",
        )
    if reads == 3 * REQUESTS:
        return _not_yet(
            seen,
            "That is still one read for each Momento call: make the client once, then use it three times.",
        )
    if reads != REQUESTS:
        return _not_yet(seen, "Make it one read for each request: no fewer, no more.")
    return _solved(f"{seen} A third of the reads, by moving one line.")


@_exercise("04")
def check_single_flight(
    cloud: Cloud, name: str, make_reader: Callable[[], Callable[[], str]], threads: int = 32
) -> Note:
    """Exercise of 04: does a reader from `make_reader()` fetch the secret once however many threads ask?"""
    import boto3

    try:
        read = make_reader()
    except Exception as error:
        return _not_yet(
            f"make_reader raised {type(error).__name__}.",
            "Call it in a cell of its own to see why.",
        )
    if not callable(read):
        return _not_yet(
            "make_reader gives no function.",
            "End it with `return read`, where `read` is your function.",
        )
    token = boto3.client("secretsmanager").get_secret_value(
        SecretId=name, VersionStage="AWSCURRENT"
    )["SecretString"]
    cloud.add_fault("aws", delay=OVERLAP)
    try:
        with cloud.ledger.page("together") as together:
            answers = at_once(read, threads)
        with cloud.ledger.page("later") as later:
            at_once(read, 2)
        fresh = make_reader()
        with cloud.ledger.page("a second reader") as second:
            at_once(fresh, 1)
    finally:
        cloud.clear_faults()
    gets = together.count("GetSecretValue")
    seen = f"{threads} threads made {gets} calls of GetSecretValue."
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    if errors:
        return _not_yet(
            f"{len(errors)} of {threads} threads met {type(errors[0]).__name__}.",
            "Let it succeed for one first.",
        )
    if any(answer != token for answer in answers):
        return _not_yet(
            f"{seen} But not every thread got the token.",
            "Return the SecretString, to every thread.",
        )
    if gets == 0:
        return _not_yet(
            seen, "The first read has to come from Secrets Manager: start with an empty cache."
        )
    if gets == threads and later.count():
        return _not_yet(seen, "Nothing is kept: put a cache around the function that reads.")
    if gets > 1:
        return _not_yet(
            seen,
            "It is kept, but threads that come together don't wait for each other: see `condition=`.",
        )
    if later.count():
        return _not_yet(
            f"{seen} But the next reads asked again.",
            "Threads wait for each other now; keep the value too.",
        )
    if not second.count():
        return _not_yet(
            f"{seen} But a second reader from make_reader made none.",
            "The two share a cache: create it inside make_reader, so that each service gets its own.",
        )
    return _solved(f"{threads} threads at once made 1 call, and later reads none.")


@_exercise("04b")
def check_choice(results: Sequence[Result], answer: object) -> Note:
    """Exercise of 04: is this the way that fetches once for many threads, and stops when it is told no?"""
    measured = {result.name: result for result in results}
    if not isinstance(answer, str) or not answer.strip():
        return _not_yet(
            "There is no answer yet.", "Put the name of a row between the quotation marks."
        )
    chosen = measured.get(answer.strip())
    if chosen is None:
        return _not_yet(
            f"{answer.strip()} is no row of the table.", f"The rows are: {', '.join(measured)}."
        )
    if chosen.calls_of_many > chosen.cold_calls:
        return _not_yet(
            f"In your contest {chosen.name} made {chosen.calls_of_many} calls for many cold threads.",
            "Look down the column of the cold threads first.",
        )
    if chosen.on_revocation != "seen":
        return _not_yet(
            f"{chosen.name} fetches once. But a permission that was taken away, it has {chosen.on_revocation}.",
            "Look at the column Revocation.",
        )
    return _solved(
        f"{chosen.name}: {chosen.calls_of_many} call for many threads, revocation {chosen.on_revocation}; "
        f"{chosen.waited_at_expiry} of 4 readers wait when the copy expires, which is its price."
    )


@_exercise("05")
def check_one_client(cloud: Cloud, handle: Callable[[str], object], expected: object) -> Note:
    """Exercise of 05: does `handle(user)` serve all requests with one cache client, and one read of the secret?"""
    page, fault = _serve(cloud, handle, expected)
    if fault:
        return fault
    clients, reads = page.momento_clients, page.count("GetSecretValue")
    seen = f"{REQUESTS} requests: {clients} clients, {3 * REQUESTS} Momento calls, {reads} reads of the secret."
    if clients == 3 * REQUESTS:
        return _not_yet(seen, "A client for each call: make one and use it three times.")
    if clients == REQUESTS:
        return _not_yet(seen, "A client for each request: make it outside of the handler, once.")
    if clients > 1:
        return _not_yet(
            seen, "Some client is still made inside: there should be one for all requests."
        )
    if reads > 1:
        return _not_yet(
            seen,
            "One client, well. But the token is still read for each request, and nobody uses it.",
        )
    return _solved(f"{seen} One client serves the whole process.")


LISTENERS, ALL_DAY = 150, timedelta(hours=8)


@_exercise("05b")
def check_listeners(
    credentials: CredentialProvider, cache_name: str, configuration: object
) -> Note:
    """Exercise of 05: does one `TopicClient` with this configuration listen to 150 topics, and for eight hours?"""
    from momento import TopicClient
    from momento.config import TopicConfiguration
    from momento.responses import TopicSubscribe

    if not isinstance(configuration, TopicConfiguration):
        return _not_yet(
            f"my_topics is a {type(configuration).__name__}.",
            "Begin with TopicConfigurations.Default.v1().",
        )
    deadline = configuration.get_transport_strategy().get_grpc_configuration().get_deadline()
    if deadline < ALL_DAY:
        return _not_yet(
            f"Every subscription would fall silent after {deadline.total_seconds():g} s.",
            "with_client_timeout(timedelta(…)) says how long a client may listen.",
        )
    with TopicClient(configuration, credentials) as client:
        answers = [
            client.subscribe(cache_name, f"exercise-{number}") for number in range(LISTENERS)
        ]
        listening = [one for one in answers if not isinstance(one, TopicSubscribe.Error)]
        for subscription in listening:
            subscription.unsubscribe()
    if len(listening) < LISTENERS:
        return _not_yet(
            f"The client took {len(listening)} of {LISTENERS} subscriptions.",
            "One channel carries a hundred streams: with_max_subscriptions(…) says how many you need.",
        )
    return _solved(f"One client took all {LISTENERS}, and listens for {deadline} hours.")


@_exercise("02")
def check_policy(policy: object, secret_name: str) -> Note:
    """Exercise of 02: does this IAM policy, JSON text, let an identity read the secret, and nothing besides?

    Gives it to a new identity and sends real requests with that identity's credentials.
    """
    if not isinstance(policy, str):
        return _not_yet(
            f"The policy is a {type(policy).__name__}.",
            "Make it a string with JSON, such as json.dumps(…) gives.",
        )
    neighbour, stranger = f"{secret_name}-of-production", "exercise/of-somebody-else"
    with _secrets({neighbour: [], stranger: []}), _identity(policy) as identity:
        if identity is None:
            return _not_yet(
                "IAM does not take this policy.",
                "Is it valid JSON still, every brace and quotation mark in its place?",
            )
        client = identity.client("secretsmanager")
        reads, describes = client.get_secret_value, client.describe_secret
        if not _is_allowed(reads, secret_name):
            return _too_little(
                "GetSecretValue",
                "Compare its resource with the secret's ARN, character by character.",
            )
        if not _is_allowed(describes, secret_name):
            return _too_little("DescribeSecret", "AWS's caching library needs that action too.")
        if _is_allowed(reads, stranger):
            return _too_much("a secret of another name", "Name the one secret in its resource.")
        if _is_allowed(reads, neighbour):
            return _too_much(
                f"{neighbour} too",
                "An asterisk matches the rest of any name: write six question marks.",
            )
        if _is_allowed(client.update_secret, secret_name, Description="read by the tutorial"):
            return _too_much(
                "a change of the secret", "Allow the two actions that a reader needs, by name."
            )
    return _solved("The identity reads this secret, and was refused everything else that it tried.")


@_exercise("02b")
def check_proof(
    cloud: Cloud, secret_name: str, is_just_right: Callable[[boto3.Session], object]
) -> Note:
    """Exercise of 02: does `is_just_right(identity)` tell by requests who may read this secret, and no other?"""
    import boto3

    arn = boto3.client("secretsmanager").describe_secret(SecretId=secret_name)["ARN"]
    resources = {
        f"{arn[:-6]}??????": (True, "one that may read this secret and no other"),
        f"{arn[:-6]}-of-somebody-else": (False, "one that may not read it"),
        "*": (False, "one that may read every secret"),
    }
    for resource, (right, who) in resources.items():
        with _identity(_reading(resource)) as identity, cloud.ledger.page(who) as page:
            try:
                said = is_just_right(identity)
            except Exception as error:
                return _not_yet(
                    f"For {who} it raised {type(error).__name__}.",
                    "A refusal is an answer: attempt() gives it as text.",
                )
        if not isinstance(said, bool):
            return _not_yet(f"For {who} it says {said!r}.", "Let it return True or False.")
        if not page.count():
            return _not_yet(
                f"For {who} it says {said}, without a request.", "Only an answer of AWS is a proof."
            )
        if said != right:
            hint = (
                "The request that must pass" if right or who.endswith("it") else "One that must not"
            )
            return _not_yet(f"For {who} it says {said}.", f"{hint} tells the difference.")
    return _solved("Two requests tell the right policy from one that is too small or too large.")


def _reading(resource: str) -> str:
    """A policy that lets read there, and nothing besides."""
    actions = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    allow = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def _too_little(action: str, hint: str) -> Note:
    return _not_yet(f"The policy allows too little: {action} was denied.", hint)


def _too_much(what: str, hint: str) -> Note:
    return _not_yet(f"The secret is read, but the policy allows too much: {what}.", hint)


def _is_allowed(call: Callable, secret_name: str, **arguments: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        call(SecretId=secret_name, **arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return False
    return True


@contextmanager
def _secrets(
    tags: Mapping[str, list[dict[str, str]]], value: str = "nobody's business"
) -> Iterator[None]:
    """Secrets of these names, with these tags, for as long as the `with` block runs."""
    import boto3

    client = boto3.client("secretsmanager")
    for name, its in tags.items():
        client.create_secret(Name=name, SecretString=value, Tags=its)
    try:
        yield
    finally:
        for name in tags:
            client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


@contextmanager
def _identity(policy: str) -> Iterator[boto3.Session | None]:
    """A session of a new identity that has this policy, or None if IAM refuses the policy."""
    import boto3

    iam, name = boto3.client("iam"), f"exercise-{uuid4()}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"])
    try:
        iam.put_user_policy(UserName=name, PolicyName="exercise", PolicyDocument=policy)
        yield session
        iam.delete_user_policy(UserName=name, PolicyName="exercise")
    except iam.exceptions.MalformedPolicyDocumentException:
        yield None
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user(UserName=name)


@_exercise("06")
def check_ttl(ttl: object, fleet: Fleet, most_dollars: float, most_stale: float) -> Note:
    """Exercise of 06: does this TTL, in seconds, keep a fleet's calls within a budget and its tokens fresh enough?"""
    if ttl is None:
        return _not_yet("There is no TTL yet.", "Set my_ttl to a number of seconds.")
    try:
        chosen = replace(fleet, ttl=ttl)
    except PricingError as error:
        return _not_yet(str(error), "A TTL is a number of seconds, such as 60.")
    cost = chosen.bill()["API calls"]
    said = f"With a TTL of {ttl:,} s the fleet makes {chosen.calls_per_month:,.0f} calls a month, for {dollars(cost)}."
    if ttl == 0:
        return _not_yet(said, "A TTL of 0 is no cache: every read is a call.")
    if ttl > most_stale:
        return _not_yet(
            said,
            f"Cheap, but a rotated token would be used for up to {ttl:,} s: {most_stale:,} s is the limit.",
        )
    if cost > most_dollars:
        return _not_yet(
            said,
            f"Fresh, but over the budget of {dollars(most_dollars)}: each process asks too often.",
        )
    return _solved(f"{said} A rotated token is noticed after {ttl:,} s at the latest.")


@_exercise("07")
def check_survives_rotation(
    cloud: Cloud, secret_name: str, make_service: Callable[[], Callable[[str], object]]
) -> Note:
    """Exercise of 07: does a service go on, without a failed request, when its token is replaced and revoked?

    `make_service()` gives a function that serves one request and returns what Momento answered.
    """
    try:
        serve = make_service()
        before = [serve(f"user-{uuid4()}") for _ in range(REQUESTS)]
        rotate(cloud, secret_name)
        with cloud.ledger.page("after the rotation") as page:
            after = [serve(f"user-{uuid4()}") for _ in range(REQUESTS)]
    except Exception as error:
        return _not_yet(
            f"The service raised {type(error).__name__}.",
            "Call it once in a cell of its own to see why.",
        )
    if any(answer is None for answer in before + after):
        return _not_yet("The service returns nothing.", "Return what Momento answered.")
    failed = sum(hasattr(answer, "error_code") for answer in after)
    reads, clients = page.count("GetSecretValue"), page.momento_clients
    seen = f"After the rotation {failed} of {REQUESTS} requests failed; {reads} reads of the secret, {clients} clients."
    if any(hasattr(answer, "error_code") for answer in before):
        return _not_yet(
            "Requests failed before the rotation already.", "Keep the operation as it was."
        )
    if failed and not reads:
        return _not_yet(
            seen,
            "Nobody asked for the new token: when Momento refuses the old one, something has to.",
        )
    if failed == REQUESTS:
        return _not_yet(
            seen, "The new token was read, and not used: a client keeps the one it was made with."
        )
    if failed:
        return _not_yet(
            seen, "The request that met the refusal should be done again with the new token."
        )
    if reads >= REQUESTS:
        return _not_yet(seen, "It survives, and reads the secret for each request: keep the token.")
    if clients > 2:
        return _not_yet(seen, "It survives, and makes a client for each request: share one.")
    return _solved(f"{seen} One for the old token, one for the new.")


@_exercise("07b")
def check_roll_back(cloud: Cloud, secret_name: str, roll_back: Callable[[], object]) -> Note:
    """Exercise of 07: after a rotation to a key that Momento refuses, does `roll_back()` make the one before current?"""
    import boto3

    client = boto3.client("secretsmanager")
    good, refused = cloud.issue_api_key(), cloud.issue_api_key()
    cloud.revoke_api_key(refused)
    before = client.put_secret_value(SecretId=secret_name, SecretString=good)["VersionId"]
    client.put_secret_value(SecretId=secret_name, SecretString=refused)
    try:
        roll_back()
        current = client.get_secret_value(SecretId=secret_name, VersionStage="AWSCURRENT")
    except Exception as error:
        return _not_yet(
            f"roll_back raised {type(error).__name__}.",
            "A label has one version: say from which it goes (RemoveFromVersionId) and to which (MoveToVersionId).",
        )
    finally:  # whatever became of it, the notebook's secret works again
        client.put_secret_value(SecretId=secret_name, SecretString=good)
    if current["SecretString"] == refused:
        return _not_yet(
            "AWSCURRENT is still on the token that Momento refuses.",
            "At the start of this notebook update_secret_version_stage moved it forward: now move it back.",
        )
    if current["SecretString"] != good:
        return _not_yet(
            "AWSCURRENT is on a token that is neither of the two.",
            "The one before is there already, under the label AWSPREVIOUS.",
        )
    if current["VersionId"] != before:
        return _not_yet(
            "The old token is current, but as a new version, and AWSPREVIOUS is now the refused one.",
            "Store nothing: the version is there, so move the label to it.",
        )
    if refusal := _refusal(cloud, good):
        return _not_yet(
            f"The version is back, but Momento answers {refusal}.", "Revoke nothing here."
        )
    return _solved(
        "The label is back on the version before, nothing was stored, and Momento takes it."
    )


MANY = 110  # secrets to be found: more than one page of AWS's answer, which holds a hundred
HUNG, SLOW = 2.0, 0.2  # seconds that an answer takes longer, in the exercise of 08


@_exercise("08")
def check_timeouts(cloud: Cloud, secret_name: str, config: object, deadline: float) -> Note:
    """Exercise of 08: does a client with this botocore `Config` keep a deadline, in seconds, and bear what is normal?

    The longest wait is worked out from the settings; what happens is tried out on a sandbox with faults.
    """
    import boto3
    from botocore.config import Config

    if not isinstance(config, Config):
        return _not_yet("my_config is no Config of botocore.", "Make it one with Config(…).")
    attempts, longest = _longest_wait(config)
    said = f"Up to {attempts} attempts: the longest wait is {longest:g} s."
    if attempts == 1:
        return _not_yet(said, "One lost connection, and the read fails: allow a second attempt.")
    if longest > deadline:
        return _not_yet(
            said,
            f"The deadline is {deadline:g} s. Each attempt may take both timeouts, and before each but the first "
            "there is a pause: up to 1 s, then up to 2 s, and so on.",
        )
    client = boto3.client("secretsmanager", config=config)
    if _reads(cloud, client, secret_name, delay=SLOW) != "ok":
        return _not_yet(
            said,
            f"An answer that takes {SLOW:g} s is normal at times, and was given up: wait longer for it.",
        )
    if _reads(cloud, client, secret_name, error="CONNECTION_DROPPED", times=1) != "ok":
        return _not_yet(said, "One lost connection made the read fail: allow a second attempt.")
    with cloud.ledger.page("no answer") as page:
        outcome = _reads(cloud, client, secret_name, delay=HUNG)
    if outcome != "ReadTimeoutError" or len(page.calls) != attempts:
        return _not_yet(
            said, f"With no answer at all it ended with {outcome}: set read_timeout too."
        )
    return _solved(
        f"{said} A slow answer was waited for, a lost connection made good, and no answer given up in time."
    )


@_exercise("08b")
def check_stale_rule(cloud: Cloud, may_serve_old_copy: Callable[[Exception], object]) -> Note:
    """Exercise of 08: does `may_serve_old_copy(error)` tell a trouble from a no, for all that boto3 raises in the lab?"""
    raised = errors_of_boto3(cloud)
    for trouble, error in raised:
        seen = f"{trouble.title[0].upper()}{trouble.title[1:]}, a {type(error).__name__}:"
        try:
            said = may_serve_old_copy(error)
        except Exception as mistake:
            return _not_yet(
                f"{seen} your function raised {type(mistake).__name__}.",
                "Not every error is an answer of AWS: a timeout has no response and no code.",
            )
        if not isinstance(said, bool):
            return _not_yet(f"{seen} your function says {said!r}.", "Let it return True or False.")
        if said != (trouble.right == OLD_COPY):
            choice = "serve the old copy" if said else "stop"
            return _not_yet(f"{seen} you would {choice}.", trouble.why)
    return _solved(f"Right for all {len(raised)} errors that boto3 really raised in the lab.")


@_exercise("09")
def check_find_ours(cloud: Cloud, find: Callable[[], object]) -> Note:
    """Exercise of 09: does `find()` return the names of all secrets that carry the tutorial's tag, and no others?"""
    if cloud.mode != "sandbox":
        return _not_yet(
            "This is live.", "The check creates secrets to be found: solve it in a rehearsal."
        )
    ours = [f"exercise/{uuid4()}" for _ in range(MANY)]
    tutorial, other = [f"tutorial/{uuid4()}" for _ in range(2)]
    tags = {
        **dict.fromkeys([*ours, tutorial], TAGS),
        other: [{**TAGS[0], "Value": "somebody else"}],
    }
    with _secrets(tags):
        try:
            found = find()
        except Exception as error:
            return _not_yet(
                f"Your function raised {type(error).__name__}.",
                "Call it in a cell of its own to see why.",
            )
    if found is None:
        return _not_yet("Your function returns nothing.", "Return a list of names.")
    found = list(found) if isinstance(found, (list, tuple, set)) else [found]
    if not all(isinstance(name, str) for name in found):
        return _not_yet(
            "Your function returns something else than names.", 'Take the "Name" of each entry.'
        )
    missed = set(ours) - set(found)
    if other in found:
        return _not_yet(
            "It also found a secret of somebody else, whose tag has the same key and another value.",
            "Compare the value too: a filter by tag-key alone would delete what isn't yours.",
        )
    if missed == set(ours):
        return _not_yet(
            f"It found none of {MANY} tagged secrets named exercise/….",
            "Don't go by the name: ask for the tag.",
        )
    if missed:
        return _not_yet(
            f"It found {MANY - len(missed)} of {MANY} tagged secrets.",
            "AWS answers in pages: see client.get_paginator(…).",
        )
    return _solved(f"All {MANY} that carry the tag, over several pages, and none besides.")


@_exercise("10")
def check_service(cloud: Cloud, secret_name: str, make_service: Callable[..., Service]) -> Note:
    """Exercise of 10: does a service made by `make_service(ttl=seconds)` stand the five trials?"""
    if not callable(make_service):
        return _not_yet(
            "There is no Service yet.", "Write it as a class, with `serve(self, user)`."
        )
    found = list(findings(cloud, secret_name, make_service))
    lines = [f"✗ {one.seen}. {one.hint}" if one.seen else f"✓ {one.wanted}" for one in found]
    if any(one.seen for one in found):
        return Note("Not yet.", *lines)
    return Note("Solved.", "The ledger and the drill call it sound.", *lines, mood="good")


def _longest_wait(config: Config) -> tuple[int, float]:
    """Attempts, and the seconds they take at most: retries wait up to 1 s, 2 s, 4 s and so on, 20 s at most."""
    retries = config.retries or {}
    attempts = retries.get("total_max_attempts") or retries.get("max_attempts", 4) + 1
    pauses = sum(min(2.0**number, 20) for number in range(attempts - 1))
    return attempts, attempts * (config.connect_timeout + config.read_timeout) + pauses


def _reads(cloud: Cloud, client: object, secret_name: str, **fault: object) -> str:
    cloud.add_fault("aws", **fault)
    try:
        client.get_secret_value(SecretId=secret_name)
        return "ok"
    except Exception as error:
        return type(error).__name__
    finally:
        cloud.clear_faults()


def _serve(
    cloud: Cloud, handle: Callable[[str], object], expected: object
) -> tuple[Page, Note | None]:
    """The calls that some requests made, and what is wrong with the handler that served them, if anything is.

    A sound handler makes three Momento calls for each request, set, increment and get, and answers `expected`.
    """
    users = [
        f"user-{uuid4()}" for _ in range(REQUESTS)
    ]  # new ones, as the answer counts a user's visits
    with cloud.ledger.page("your handler") as page:
        if not callable(handle):
            return page, _not_yet("`handle` is no function.", "Define it with `def handle(user):`.")
        try:
            answers = [handle(user) for user in users]
        except Exception as error:
            cause = f"Your handler raised {type(error).__name__}."
            return page, _not_yet(cause, "Call it once in a cell of its own to see why.")
    calls = page.count(service="Momento", outcome="ok")
    seen = f"{REQUESTS} requests made {page.count('GetSecretValue')} reads of the secret and {calls} Momento calls."
    if all(answer is None for answer in answers):
        return page, _not_yet(
            seen, "Your handler returns nothing: return what the third call answers."
        )
    if calls != 3 * REQUESTS:
        return page, _not_yet(
            seen, "Each request should set, increment and get: three Momento calls."
        )
    if answers != [expected] * REQUESTS:
        return page, _not_yet(
            seen,
            "The answers differ from those of the handler above: keep its three calls as they are.",
        )
    return page, None


def _refusal(cloud: Cloud, token: str) -> str | None:
    """The error code with which Momento refuses this token, or None if it accepts it."""
    from datetime import timedelta

    from momento import CacheClient, Configurations
    from momento.responses import ListCaches

    with CacheClient(
        Configurations.Laptop.v1(), cloud.credentials_from(token), timedelta(minutes=1)
    ) as client:
        answer = client.list_caches()
    return answer.error_code.name if isinstance(answer, ListCaches.Error) else None


def _not_yet(what: str, hint: str) -> Note:
    return Note("Not yet.", what, hint)


def _solved(what: str) -> Note:
    return Note("Solved.", what, mood="good")
