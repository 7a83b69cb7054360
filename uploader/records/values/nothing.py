"""Words that programs write where there is no value."""

import re

_NOTHING = re.compile(
    r"\(?(?:null|nil|none|nan|nat)\)?|<(?:na|null|none)>|undefined|\\n|#?n/a|#na|#n/v|0+([-/.])0+\1[0:. ]+",
    re.IGNORECASE,
)


def is_nothing(text: str) -> bool:
    """Whether a text is a word for no value, such as `NULL`, `\\N`, `nan` or `0000-00-00`."""
    return _NOTHING.fullmatch(text) is not None
