"""What an e-mail address looks like. Whether it exists is not known here."""

import re
from collections.abc import Iterator, Sequence

from uploader.model.column_names import INVISIBLE

_LONGEST = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
#: Invisible characters, such as a zero-width space, are no part of an address.
_NONE_OF = rf'\s,;<>"()@{INVISIBLE}'
_PLAUSIBLE = re.compile(rf"[^{_NONE_OF}]++@[^{_NONE_OF}.]++(?:\.[^{_NONE_OF}.]++)++")


def plausible_email(address: str) -> bool:
    """Whether the address is worth a request. HubSpot decides what is valid; this only finds plain
    nonsense.
    """
    return len(address) <= _LONGEST and _PLAUSIBLE.fullmatch(address) is not None


#: Bytes that no address may hold (of white space, ASCII's), all bytes but the separators of its parts, and a
#: table that makes the separators one.
_FORBIDDEN = bytes(byte for byte in range(128) if chr(byte).isspace() and byte != 0x0A) + b',;<>"()'


_ALL_BUT_MARKS = bytes(byte for byte in range(256) if byte not in b"@.\n")


_ONE_MARK = bytes.maketrans(b"@.\n", b"@@@")


def are_plausible_emails(keys: Sequence[str]) -> bool:
    """Return True only if `plausible_email` holds for each key; dots at the ends of a mailbox are judged
    more strictly.
    """
    joined = "\n".join(keys)
    if not joined.isascii() or max(map(len, keys), default=0) > _LONGEST:
        return False
    text = b"\n%b\n" % joined.encode()
    if len(text.translate(None, _FORBIDDEN)) < len(text) or b"@@" in text.translate(_ONE_MARK):
        return False
    marks = text.translate(None, _ALL_BUT_MARKS)
    return marks.translate(None, b".") == b"\n" + b"@\n" * len(keys) and b"@\n" not in marks


def implausible_emails(keys: Sequence[str], first: int = 0) -> Iterator[int]:
    """Yield the indexes, counted from `first`, of keys that are not plausible; most keys are."""
    if are_plausible_emails(keys):
        return
    if len(keys) <= _FEW:
        yield from (first + at for at, key in enumerate(keys) if not plausible_email(key))
        return
    part = -(-len(keys) // _FEW)
    for at in range(0, len(keys), part):
        yield from implausible_emails(keys[at : at + part], first + at)


_FEW = 8
