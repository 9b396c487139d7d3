def first_version_is_lower(version: str, other: str) -> bool:
    return False
