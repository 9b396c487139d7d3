"""Print the example that Momento's page lacks, in the form of the SDK's example files: `python docs/sdk_example.py`.

Its body is notebooks/momento_client.py, so that there is one copy of it.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

CLIENT = Path(__file__).resolve().parent.parent / "notebooks" / "momento_client.py"
USE = """
momento = MomentoClient("tutorial/momento-api-key")
print(checked(momento.call(lambda client: client.set("tutorial", "test-key", "test-value"))))
"""


def example() -> str:
    """Return the imports, and the function with the file's code and one use of it."""
    _, _, text = CLIENT.read_text(encoding="utf-8").split('"""', 2)
    imports, code = re.split(r"\n\n(?=# boto3 would)", text.strip())
    body = re.sub(r"\n{3,}", "\n\n", code) + "\n" + USE
    function = "def example_API_retrieveAuthTokenFromSecretsManager():\n" + textwrap.indent(body, "    ")
    return f"{imports}\n\n\n{function}\n\n# end example\n"


if __name__ == "__main__":
    print(example(), end="")
