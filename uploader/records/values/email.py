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


#: Lines with a plausible address of nothing but ASCII, which most are.
_LABEL = re.escape("".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in ',;<>"()@.'))
_PLAIN_LINES = re.compile(rf"(?:[{_LABEL}.]++@[{_LABEL}]++(?:\.[{_LABEL}]++)++\n)*+")


def implausible_emails(addresses: Sequence[str]) -> Iterator[int]:
    """Yield the indexes of addresses that are not plausible. Only those that are not plain are looked at."""
    lines = "\n".join([*addresses, ""])
    if lines.count("\n") > len(addresses) or max(map(len, addresses), default=0) > _LONGEST:
        yield from (at for at, address in enumerate(addresses) if not plausible_email(address))
        return
    at = begin = 0
    while (plain := _PLAIN_LINES.match(lines, begin)) and plain.end() < len(lines):
        at += lines.count("\n", begin, plain.end())
        if not plausible_email(addresses[at]):
            yield at
        begin = plain.end() + len(addresses[at]) + 1
        at += 1
