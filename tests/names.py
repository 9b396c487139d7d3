"""Names that tests share."""

SECRET_NAME = "tutorial/momento-api-key"  # as in the notebooks
