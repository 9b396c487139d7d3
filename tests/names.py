"""Names that tests share."""

import shutil

SECRET_NAME = "tutorial/momento-api-key"  # as in the notebooks
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")  # None: what needs a browser skips
