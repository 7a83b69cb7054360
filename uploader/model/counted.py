"""Numbers with their nouns."""


def counted(count: int, one: str, many: str = "") -> str:
    """Such as `1 row`, `2,000 rows`. `many`: the plural, if it is not `one` with an s."""
    return f"{count:,} {numbered(count, one, many)}"


def numbered(count: int, one: str, many: str = "") -> str:
    """The words for so many, without the number."""
    return one if count == 1 else many or f"{one}s"
