"""What an e-mail address looks like. Whose it is is not known here."""

import re
from collections.abc import Iterator, Sequence

_LONGEST = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
_NONE_OF = r'\s,;<>"()@'
_PLAUSIBLE = re.compile(rf"[^{_NONE_OF}]++@[^{_NONE_OF}.]++(?:\.[^{_NONE_OF}.]++)++")


def plausible_email(address: str) -> bool:
    """Whether it is worth a request: HubSpot decides what is valid, this only sees plain nonsense."""
    return len(address) <= _LONGEST and _PLAUSIBLE.fullmatch(address) is not None


#: All that no address may hold (white space is ASCII's here), all but what its parts are told by, and a table
#: in which these are one.
_FORBIDDEN = bytes(byte for byte in range(128) if chr(byte).isspace() and byte != 0x0A) + b',;<>"()'


_ALL_BUT_MARKS = bytes(byte for byte in range(256) if byte not in b"@.\n")


_ONE_MARK = bytes.maketrans(b"@.\n", b"@@@")


def are_plausible_emails(keys: Sequence[str]) -> bool:
    """True only where `plausible_email` is of each; it is stricter with dots at a mailbox's ends."""
    joined = "\n".join(keys)
    if not joined.isascii() or max(map(len, keys), default=0) > _LONGEST:
        return False
    text = b"\n%b\n" % joined.encode()
    if len(text.translate(None, _FORBIDDEN)) < len(text) or b"@@" in text.translate(_ONE_MARK):
        return False
    marks = text.translate(None, _ALL_BUT_MARKS)
    return marks.translate(None, b".") == b"\n" + b"@\n" * len(keys) and b"@\n" not in marks


def implausible_emails(keys: Sequence[str], first: int = 0) -> Iterator[int]:
    """Which of them `plausible_email` is not of, by place from `first`; most are."""
    if are_plausible_emails(keys):
        return
    if len(keys) <= _FEW:
        yield from (first + at for at, key in enumerate(keys) if not plausible_email(key))
        return
    part = -(-len(keys) // _FEW)
    for at in range(0, len(keys), part):
        yield from implausible_emails(keys[at : at + part], first + at)


_FEW = 8
