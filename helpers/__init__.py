"""What the notebooks import; small, and readable as an example in itself."""
