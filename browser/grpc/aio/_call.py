from . import InterceptedUnaryStreamCall as UnaryStreamCall  # noqa: F401
from . import UnaryUnaryCall  # noqa: F401
