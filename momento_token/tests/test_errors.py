"""What a failed read means: denied, or it will pass, and what to do; and that no error carries a token anywhere."""

from __future__ import annotations

import pickle
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from botocore import exceptions as aws
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker
from fakes import Clock, source_of

from momento_token import Token, TokenError, TokenSource, TokenUnavailable, check
from momento_token.secrets_manager import TRANSIENT, unavailable
from momento_token.testing import FakeSecretsManager, error_of, fake_key


def test_botocores_own_lists_are_all_known():
    theirs = set(TransientRetryableChecker._TRANSIENT_ERROR_CODES)
    theirs |= set(ThrottledRetryableChecker._THROTTLED_ERROR_CODES)
    assert theirs == TRANSIENT
    statuses = TransientRetryableChecker._TRANSIENT_STATUS_CODES
    assert not any(unavailable("s", error_of("SomeError", status)).denied for status in statuses)


WILL_PASS = [
    *(error_of(code) for code in sorted(TRANSIENT)),
    *(error_of("SomethingUnknown", status) for status in (408, 429, 500, 502, 503, 504, 599)),
    error_of("InvalidSignatureException", 403),  # clocks differ
    error_of("ExpiredTokenException"),
    error_of("InternalServiceError"),  # with 400, as one of AWS's pages says
    error_of("RequestExpired"),
    # While boto3 looked for credentials: a response, but not of Secrets Manager.
    error_of("AccessDenied", 403, operation="AssumeRole"),
    error_of("InvalidIdentityToken", 400, operation="AssumeRoleWithWebIdentity"),
    error_of("UnauthorizedException", 401, operation="GetRoleCredentials"),
    error_of("403", 403),  # of a proxy
    aws.NoCredentialsError(),
    aws.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
    aws.CredentialRetrievalError(provider="process", error_msg="…"),
    aws.MetadataRetrievalError(error_msg="…"),
    aws.SSOTokenLoadError(error_msg="…"),
    aws.UnauthorizedSSOTokenError(),
    aws.TokenRetrievalError(provider="sso", error_msg="…"),
    aws.EndpointConnectionError(endpoint_url="https://…"),
    aws.ReadTimeoutError(endpoint_url="https://…"),
    aws.ConnectTimeoutError(endpoint_url="https://…"),
    aws.ConnectionClosedError(endpoint_url="https://…"),
    aws.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    aws.ResponseStreamingError(error="…"),
    RecursionError(),
]
DENIED = [
    error_of(code)
    for code in (
        "AccessDeniedException",
        "ResourceNotFoundException",
        "InvalidRequestException",
        "DecryptionFailure",
        "UnrecognizedClientException",
        "SomethingUnknown",
    )
]


def name(error: BaseException) -> str:
    return error.response["Error"]["Code"] if isinstance(error, aws.ClientError) else type(error).__name__


@pytest.mark.parametrize("error", WILL_PASS, ids=name)
def test_an_error_that_will_pass_keeps_a_good_token(error):
    service, clock = FakeSecretsManager(), Clock()
    source = source_of(service, ttl=10, max_age=100, clock=clock)
    token = source.get()
    service.error = error
    clock.now += 50
    assert source.get() == token
    assert source.problem and not source.problem.denied and name(error) in str(source.problem)


@pytest.mark.parametrize("error", DENIED, ids=name)
def test_a_denial_is_seen_at_the_refresh_and_nothing_old_is_served(error):
    service, clock = FakeSecretsManager(), Clock()
    source = source_of(service, ttl=10, max_age=100, clock=clock)
    source.get()
    service.error = error
    clock.now += 11
    for _ in range(3):
        with pytest.raises(TokenUnavailable, match=name(error)) as caught:
            source.get()
        assert caught.value.denied and caught.value.code == name(error)
    assert service.calls == 2  # and not one for each caller
    assert source.state == "denied"


WHO = "User: arn:aws:sts::1:assumed-role/app/i is not authorized to perform: secretsmanager:GetSecretValue on resource: s "
FIXES = [
    ("AccessDeniedException", "Access to KMS is not allowed", "allow kms:Decrypt on the secret's KMS key"),
    ("AccessDeniedException", WHO + "because no identity-based policy allows the action", "allow secretsmanager:GetSecretValue on it"),
    ("AccessDeniedException", WHO + "because no resource-based policy allows the action", "allow secretsmanager:GetSecretValue in the resource-based policy"),
    ("AccessDeniedException", WHO + "because no VPC endpoint policy allows the action", "GetSecretValue in the VPC endpoint policy"),
    ("AccessDeniedException", WHO + "because no permissions boundary allows the action", "in the permissions boundary"),
    ("AccessDeniedException", WHO + "with an explicit deny in a service control policy", "take the explicit deny out of the service control policy"),
    ("AccessDeniedException", WHO + "with an explicit deny in an identity-based policy", "out of the identity-based policy"),
    ("AccessDeniedException", "", "allow secretsmanager:GetSecretValue on it"),
    ("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.", "restore it"),
    ("InvalidRequestException", "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.", "customer managed key"),
    ("InvalidRequestException", "Something else.", "see AWS's page"),
    ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.", "correct its name, its region"),
    ("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT", "no value with the label AWSCURRENT"),
    ("ValidationException", "Invalid name.", "the name or ARN that was passed to TokenSource"),
    ("ExpiredTokenException", "The security token included in the request is expired", "renew the AWS credentials"),
    ("UnrecognizedClientException", "The security token included in the request is invalid.", "does not know the access key"),
    ("InvalidSignatureException", "Signature expired: …", "the clock of this machine"),
    ("ThrottlingException", "Rate exceeded", "it will be read again soon"),
]  # fmt: skip


@pytest.mark.parametrize("code, message, fix", FIXES, ids=lambda value: value[:40])
def test_the_fix_follows_the_message_and_not_the_code_alone(code, message, fix):
    assert fix in str(unavailable("s", error_of(code, message=message)))


@pytest.mark.parametrize(
    "error, fix",
    [
        (aws.ParamValidationError(report="Invalid length for parameter SecretId"), "passed to TokenSource"),
        (aws.NoRegionError(), "set AWS_DEFAULT_REGION"),
        (aws.ProfileNotFound(profile="p"), "AWS_PROFILE"),
        (aws.ConfigParseError(path="p", error="e"), "configuration file"),
        (aws.UnauthorizedSSOTokenError(), "aws sso login"),
        (aws.SSLError(endpoint_url="https://…", error="e"), "certificates"),
        (aws.NoCredentialsError(), "a role, a profile or variables"),
        (aws.EndpointConnectionError(endpoint_url="https://…"), "can reach the endpoint"),
        (aws.ProxyConnectionError(proxy_url="http://…"), "can reach the endpoint"),
        (error_of("AccessDenied", 403, operation="AssumeRole"), "check its role"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_wrong_on_our_side_has_its_fix_too(error, fix):
    assert fix in str(unavailable("s", error)) and not unavailable("s", error).denied


class OddGroup(Exception):
    exceptions = 5


class Worse(Exception):
    @property
    def response(self):
        raise RuntimeError


class Unspeakable(aws.BotoCoreError):
    fmt = "Validation"

    def __str__(self):
        raise RuntimeError


def test_an_odd_exception_is_a_problem_and_no_dead_thread():
    odd = [OddGroup(), Worse(), Unspeakable(), ExceptionGroup("g", [ValueError()])]
    odd.append(error_of("Odd"))
    odd[-1].response = None
    for error in odd:
        service = FakeSecretsManager()
        service.error = error
        source = source_of(service, None)
        with pytest.raises(TokenUnavailable) as caught:
            source.get(timeout=5)
        assert caught.value.code == type(error).__name__ and not caught.value.denied


def test_half_a_response_will_pass_and_is_no_binary_secret():
    service, clock = FakeSecretsManager(), Clock()
    source = source_of(service, ttl=10, clock=clock)
    token = source.get()
    service.get_secret_value = lambda **which: {"VersionId": "2", "ResponseMetadata": {}}
    clock.now += 50
    assert source.get() == token and "IncompleteResponse" in str(source.problem)
    assert not source.problem.denied


def fail_in_a_process() -> None:
    service = FakeSecretsManager()
    service.error = error_of("AccessDeniedException")
    TokenSource("s", lambda: service).get()


def test_it_crosses_a_process_boundary():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(TokenUnavailable, match="AccessDeniedException") as caught:
            pool.submit(fail_in_a_process).result(60)
    assert caught.value.denied and caught.value.code == "AccessDeniedException"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.denied, again.code) == (str(caught.value), True, "AccessDeniedException")


def everything_about(error: BaseException) -> str:
    """What a tool such as Sentry or rich sends home: the frames with their variables, causes and contexts included.

    All frames but the first, which is the test's own and holds what it likes. Texts are shortened, too, as tools do.
    """
    error = error.with_traceback(error.__traceback__.tb_next)
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    lines = ["".join(told.format())]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frame = error.__traceback__
        while frame is not None:
            values = frame.tb_frame.f_locals
            lines.append(repr(values))
            lines += [repr(value[:80]) for value in values.values() if isinstance(value, str)]
            frame = frame.tb_next
        error = error.__cause__ or error.__context__
    return "\n".join(lines)


def pieces(token: str) -> list[str]:
    return [token[start : start + 16] for start in range(0, len(token) - 16, 8)]


KEY, REFRESH = fake_key(), "refresh-" + "0123456789abcdef" * 2
WRONG = {
    "JSON": f'{{"apiKey": "{KEY}", "refreshToken": "{REFRESH}", "validUntil": 1}}',
    "half of JSON": f'{{"apiKey": "{KEY}", "refreshToken": "{REFRESH}"',
    "quoted": f'"{KEY}"',
    "cut": KEY[:-50],
    "twice": KEY + KEY,
    "with a space": KEY[:40] + " " + KEY[40:],
    "with its name": f"MOMENTO_API_KEY={KEY}",
    "bytes": KEY.encode(),
}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)
def test_no_frame_shows_a_wrong_value(value):
    service = FakeSecretsManager()
    service.value = value
    with pytest.raises(TokenUnavailable, match="holds no usable token") as caught:
        TokenSource("s", lambda: service).get()
    told = everything_about(caught.value) + repr(caught.value) + repr(pickle.dumps(caught.value))
    assert not [piece for piece in [*pieces(KEY), *pieces(REFRESH)] if piece in told]


def test_nor_does_a_frame_of_the_check():
    for text in WRONG.values():
        with pytest.raises(TokenError) as caught:
            check(text)
        # Of the check's own frames: this test's hold the text by its own choice.
        frames = [frame.frame.f_locals for frame in caught.traceback[1:]]
        told = repr(frames) + str(caught.value) + repr((caught.value.__cause__, caught.value.__context__))
        assert not [piece for piece in [*pieces(KEY), *pieces(REFRESH)] if piece in told]


def test_an_error_after_a_good_token_shows_neither_of_them():
    service, clock = FakeSecretsManager(), Clock()
    source = source_of(service, ttl=10, clock=clock)
    token = source.get()
    service.error = error_of("AccessDeniedException")
    clock.now += 11
    with pytest.raises(TokenUnavailable) as caught:
        use(source, token)
    told = everything_about(caught.value)
    assert "hidden" in told  # the caller's own frame holds the token, and it hides itself
    assert not [piece for piece in pieces(token) if piece in told]


def use(source: TokenSource, token: str) -> str:
    before, part = token, token[5:90]
    return before + part + source.get()


def test_the_scan_would_find_it():
    plain = str(KEY)
    with pytest.raises(ZeroDivisionError) as caught:
        divide(plain)
    told = everything_about(caught.value)
    assert [piece for piece in pieces(KEY) if piece in told]


def divide(text: str) -> float:
    return len(text) / 0


def test_a_token_hides_itself_and_is_a_string():
    token = Token.numbered(KEY, 3)
    assert token == KEY and f"{token}" == KEY and token.encode() == KEY.encode() and token[:9] == KEY[:9]
    shown = f"{token!r} {[token]} {dict(token=token)} {token!a} {token[:80]!r} {[token[3:]]} {token[0]!r}"
    assert KEY[:8] not in shown and KEY[3:11] not in shown and token.number == 3
    assert pickle.loads(pickle.dumps(token)).number == 3


def test_what_a_try_says_of_a_token_is_not_repeated():
    service, clock = FakeSecretsManager(), Clock()

    def try_token(token) -> bool:
        raise SystemExit(f"bad token: {token}")

    source = source_of(service, try_token=try_token, ttl=10, clock=clock)
    source.get()
    new = service.rotate()
    clock.now += 11
    source.get()
    assert "SystemExit" in str(source.problem)
    assert not [piece for piece in pieces(new) if piece in repr(source.problem)]
    assert source.problem.__cause__ is source.problem.__traceback__ is None


def test_the_cause_is_kept_without_its_frames():
    service = FakeSecretsManager()
    service.error = error_of("AccessDeniedException")
    with pytest.raises(TokenUnavailable) as caught:
        TokenSource("s", lambda: service).get()
    cause = caught.value.__cause__
    assert isinstance(cause, aws.ClientError) and cause.__traceback__ is None


def test_a_chain_of_causes_that_bites_its_own_tail_ends():
    one, two = ValueError(), KeyError()
    one.__cause__, two.__context__ = two, one
    assert unavailable("s", one).__cause__ is one
