"""Whether the domain of an e-mail address can exist, by the top-level domains that IANA lists.

In    addresses.
Out   a remark on a domain whose top-level domain is not listed, with the domain that may have been meant.
Raise nothing.
Rule  HubSpot refuses such addresses. The list may be older than HubSpot's, so the rows are sent all the same.
From  the package publicsuffixlist, whose version is the day of its list
"""

import difflib
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from uploader.model.rows import Fault

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

TOP_LEVEL_DOMAIN = "TOP_LEVEL_DOMAIN"
#: The most common domains of private addresses.
_COMMON = tuple(
    """
    aol.com free.fr gmail.com gmx.de gmx.net googlemail.com hotmail.com icloud.com libero.it live.com msn.com
    orange.fr outlook.com t-online.de web.de yahoo.co.uk yahoo.com
    """.split()  # noqa: SIM905
)
#: The most common top-level domains, the most common first.
_COMMON_ENDS = ("com", "net", "org", "de", "edu", "info", "co.uk", "fr", "it", "nl", "eu", "biz")


def remark_on_domain(address: str) -> Fault | None:
    """Return what is wrong with the address's top-level domain, or None."""
    domain = address.rpartition("@")[2].lower()
    end = domain.rpartition(".")[2]
    if not end or end == domain or _is_listed(end):
        return None
    meant = _meant(domain)
    advice = f" (did you mean {meant}?)" if meant else ""
    reason = f"ends with .{end}, which is no top-level domain by the list of {list_day()}{advice}"
    return Fault(reason, TOP_LEVEL_DOMAIN)


def may_have_remarks(addresses: Iterable[str]) -> bool:
    """Whether there may be a remark on any of the addresses; fast for many addresses."""
    return not all(map(_is_listed, {address.rpartition(".")[2].lower() for address in addresses if address}))


def _meant(domain: str) -> str:
    """The same name under a common end, or a common domain that is spelled much like that; "" if unknown."""
    name, _, end = domain.rpartition(".")
    ends = difflib.get_close_matches(end, _COMMON_ENDS, n=1, cutoff=0.6)
    corrected = f"{name}.{ends[0]}" if ends else domain
    near = difflib.get_close_matches(corrected, _COMMON, n=1, cutoff=0.85)
    return near[0] if near else corrected if ends else ""


@cache
def _is_listed(end: str) -> bool:
    return _list().publicsuffix(f"x.{end}") is not None


@cache
def _list() -> "PublicSuffixList":
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415  # to load it takes a tenth of a second

    return PublicSuffixList(accept_unknown=False, only_icann=True)


def list_day() -> str:
    """The day of the list, as in `2026-10-23`."""
    from publicsuffixlist import __version__ as version  # noqa: PLC0415

    day = version.rpartition(".")[2]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"
