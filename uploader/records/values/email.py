"""What an e-mail address looks like. Whose it is is not known here."""

from collections.abc import Sequence

_EMAIL_CHARACTERS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets


def plausible_email(address: str) -> bool:
    """Whether it is worth a request: HubSpot decides what is valid, this only sees plain nonsense."""
    local, at, domain = address.rpartition("@")
    return (
        bool(at and local)
        and "@" not in local
        and len(address) <= _EMAIL_CHARACTERS
        and not any(character.isspace() or character in ',;<>"()' for character in address)
        and "." in domain
        and all(domain.split("."))
    )


#: All that no address may hold (white space is ASCII's here), all but what its parts are told by, and a table
#: in which these are one.
_FORBIDDEN = bytes(byte for byte in range(128) if chr(byte).isspace() and byte != 0x0A) + b',;<>"()'


_ALL_BUT_MARKS = bytes(byte for byte in range(256) if byte not in b"@.\n")


_ONE_MARK = bytes.maketrans(b"@.\n", b"@@@")


_LONGEST = 254


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
