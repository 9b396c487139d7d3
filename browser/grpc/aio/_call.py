from . import UnaryUnaryCall  # noqa: F401
