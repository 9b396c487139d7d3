"""A Momento API key from AWS Secrets Manager, for a service. README.md says what it guarantees and how to begin.

Beside these names there are two optional modules: `topics` for subscriptions, and `testing` for your tests.
"""

from .errors import PlainError, SubscriptionError, TokenError, TokenUnavailable
from .events import Event, State, log_event
from .secrets_manager import SecretsManager, new_secrets_client
from .shared_client import AsyncSharedClient, SharedClient, is_accepted, is_refused
from .token_source import TokenSource
from .tokens import Kind, Token, check

__all__ = [
    "AsyncSharedClient", "Event", "Kind", "PlainError", "SecretsManager", "SharedClient", "State", "SubscriptionError",
    "Token", "TokenError", "TokenSource", "TokenUnavailable", "check", "is_accepted", "is_refused", "log_event",
    "new_secrets_client",
]  # fmt: skip
