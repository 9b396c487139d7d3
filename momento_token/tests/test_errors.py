"""What a failed read means: a no, or only not now; and that no error carries a token anywhere."""

from __future__ import annotations

import pickle
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from botocore import exceptions as aws
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker
from fakes import Clock, Service, at_once, failure, new_api_key

from momento_token.errors import TokenError, TokenUnavailable
from momento_token.failed_reads import TRANSIENT, says_not_now, unavailable
from momento_token.token_source import TokenSource
from momento_token.tokens import Token, check


def test_botocores_own_lists_are_all_known():
    theirs = set(TransientRetryableChecker._TRANSIENT_ERROR_CODES)
    theirs |= set(ThrottledRetryableChecker._THROTTLED_ERROR_CODES)
    assert theirs == TRANSIENT
    assert all(
        says_not_now(failure("SomeError", status))
        for status in TransientRetryableChecker._TRANSIENT_STATUS_CODES
    )


NOT_NOW = [
    *(failure(code) for code in sorted(TRANSIENT)),
    *(failure("SomethingNobodyKnows", status) for status in (408, 429, 500, 502, 503, 504, 599)),
    failure("InvalidSignatureException", 403),  # clocks differ
    failure("ExpiredTokenException"),
    failure("RequestExpired"),
    # While boto3 looked for credentials: an answer, but not of Secrets Manager.
    failure("AccessDenied", 403, "AssumeRole"),
    failure("InvalidIdentityToken", 400, "AssumeRoleWithWebIdentity"),
    failure("UnauthorizedException", 401, "GetRoleCredentials"),
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
    SystemExit(1),
    KeyboardInterrupt(),
    RecursionError(),
]

NO = [
    failure(code, 400)
    for code in (
        "AccessDeniedException",
        "ResourceNotFoundException",
        "InvalidRequestException",
        "DecryptionFailure",
        "UnrecognizedClientException",
        "SomethingNobodyKnows",
    )
]


def source_of(service: Service, clock: Clock, **settings) -> TokenSource:
    return TokenSource(
        service, "s", ttl=10, max_age=100, clock=clock, in_background=at_once, **settings
    )


def name(error: BaseException) -> str:
    if isinstance(error, aws.ClientError):
        return error.response["Error"]["Code"]
    return type(error).__name__


@pytest.mark.parametrize("error", NOT_NOW, ids=name)
def test_not_now_keeps_a_good_token(error):
    service, clock = Service(), Clock()
    source = source_of(service, clock)
    token = source.get()
    service.error = error
    clock.now += 50
    assert source.get() == token
    assert source.problem and not source.problem.denied and name(error) in str(source.problem)


@pytest.mark.parametrize("error", NO, ids=name)
def test_no_is_seen_at_the_refresh_and_nothing_old_is_served(error):
    service, clock = Service(), Clock()
    source = source_of(service, clock)
    source.get()
    service.error = error
    clock.now += 11
    for _ in range(3):
        with pytest.raises(TokenUnavailable, match=name(error)) as caught:
            source.get()
        assert caught.value.denied and caught.value.code == name(error)
    assert service.calls == 2  # and not one for each reader
    assert source.stale == 0 and source.state == "denied"


def test_half_an_answer_is_not_now_and_no_binary_secret():
    service, clock = Service(), Clock()
    source = source_of(service, clock)
    token = source.get()
    service.get_secret_value = lambda **which: {"VersionId": "2", "ResponseMetadata": {}}
    clock.now += 50
    assert source.get() == token and "BrokenOff" in str(source.problem)
    assert not source.problem.denied


def fail_in_a_process() -> None:
    service = Service()
    service.error = failure("AccessDeniedException")
    TokenSource(service, "s").get()


def test_it_crosses_a_process_boundary():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(TokenUnavailable, match="AccessDeniedException") as caught:
            pool.submit(fail_in_a_process).result(60)
    assert caught.value.denied and caught.value.code == "AccessDeniedException"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.denied, again.code) == (
        str(caught.value),
        True,
        "AccessDeniedException",
    )


def everything_about(error: BaseException) -> str:
    """What a tool such as Sentry or rich sends home: the frames with their variables, causes and contexts included.

    All frames but the first, which is the test's own and holds what it likes.
    """
    error = error.with_traceback(error.__traceback__.tb_next)
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    lines = ["".join(told.format())]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frame = error.__traceback__
        while frame is not None:
            lines.append(repr(frame.tb_frame.f_locals))
            frame = frame.tb_next
        error = error.__cause__ or error.__context__
    return "\n".join(lines)


def pieces(token: str) -> list[str]:
    return [token[start : start + 16] for start in range(0, len(token) - 16, 8)]


KEY, REFRESH = new_api_key(), "refresh-" + "0123456789abcdef" * 2
WRONG = {
    "JSON": f'{{"apiKey": "{KEY}", "refreshToken": "{REFRESH}", "validUntil": 1}}',
    "half of JSON": f'{{"apiKey": "{KEY}", "refreshToken": "{REFRESH}"',
    "quoted": f'"{KEY}"',
    "cut": KEY[:-50],
    "twice": KEY + KEY,
    "with a space": KEY[:40] + " " + KEY[40:],
    "bytes": KEY.encode(),
}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)
def test_no_frame_shows_a_wrong_value(value):
    service = Service()
    service.value = value
    with pytest.raises(TokenUnavailable, match="holds no usable token") as caught:
        TokenSource(service, "s").get()
    told = everything_about(caught.value) + repr(caught.value) + repr(pickle.dumps(caught.value))
    assert not [piece for piece in [*pieces(KEY), *pieces(REFRESH)] if piece in told]


def test_nor_does_a_frame_of_the_check():
    for text in WRONG.values():
        with pytest.raises(TokenError) as caught:
            check(text)
        # Of the check's own frames: this test's hold the text by its own choice.
        frames = caught.traceback[1:]
        told = repr([frame.frame.f_locals for frame in frames]) + str(caught.value)
        told += repr((caught.value.__cause__, caught.value.__context__))
        assert not [piece for piece in [*pieces(KEY), *pieces(REFRESH)] if piece in told]


def test_an_error_after_a_good_token_shows_neither_of_them():
    service, clock = Service(), Clock()
    source = source_of(service, clock)
    token = source.get()
    service.error = failure("AccessDeniedException")
    clock.now += 11
    with pytest.raises(TokenUnavailable) as caught:
        use(source, token)
    told = everything_about(caught.value)
    assert "hidden" in told  # the reader's own frame holds the token, and it hides itself
    assert not [piece for piece in pieces(token) if piece in told]


def use(source: TokenSource, token: str) -> str:
    before = token
    return before + source.get()


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
    assert token == KEY and f"{token}" == KEY and token.encode() == KEY.encode()
    assert KEY[:8] not in f"{token!r} {[token]} {dict(token=token)} {token!a}" and token.number == 3
    assert pickle.loads(pickle.dumps(token)).number == 3


def test_the_cause_is_kept_without_its_frames():
    service = Service()
    service.error = failure("AccessDeniedException")
    with pytest.raises(TokenUnavailable) as caught:
        TokenSource(service, "s").get()
    cause = caught.value.__cause__
    assert isinstance(cause, aws.ClientError) and cause.__traceback__ is None


def test_a_chain_of_causes_that_bites_its_own_tail_ends():
    one, two = ValueError(), KeyError()
    one.__cause__, two.__context__ = two, one
    assert unavailable("s", one).__cause__ is one
