from typing import Any as RequestType  # noqa: F401
from typing import Any as ResponseType  # noqa: F401
