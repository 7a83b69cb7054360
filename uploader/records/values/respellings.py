"""Spellings that some accounts store instead of what was sent, and which of them this account stores.

In    the property's name, its kind, the text sent, and the text that HubSpot stored or holds.
Out   of `spellings` what the rule of such an account makes of a text; of `Respellings.gives` whether this
      account is known to make the text held of the one wanted.
Raise nothing.
Rules Known is what a reply has shown: a text with the same marks in the same property, and for telephones
      with the same country and number of digits. A rule that a reply contradicts holds no more. Where the
      rules that are left give different spellings, or the spelling depends on the contact (the country of
      `030 123456`), nothing is known.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from uploader.hubspot.schema import Kind
from uploader.model.records import DOMAIN

BARE_PHONE = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)  # E.164
TEXT_TYPES = frozenset({"string", "phone_number"})
#: What tells the work of a rule on one text from that on another: what is taken out or replaced.
_MARKS = re.compile(r"^\s*[a-z]+://|^\s*00|\(0\)|\bwww\.|\W")
_COUNTRY = re.compile(r"\+[0-9]{2}")
#: So many sorts of texts in a property are known at most; others are sent.
_MOST_FORMS = 1_000


def spellings(name: str, kind: Kind, text: str) -> Iterator[tuple[str, str]]:
    """Yield what a text may become, with the rule that does so. Other accounts keep it as typed."""
    if kind.type not in TEXT_TYPES and not kind.is_phone:
        return
    if name == DOMAIN:
        address = text.strip().lower()
        yield "HubSpot keeps the bare domain", re.sub(r"^[a-z]+://|/+$", "", address)
        yield "HubSpot keeps the host alone", bare_domain(text)
    if kind.is_phone and BARE_PHONE.fullmatch(number := dialled(text)):
        yield "HubSpot keeps the bare phone number", number
    yield "the white space is HubSpot's", " ".join(text.split())


def bare_domain(text: str) -> str:
    """The host of a web address in small letters, without `www.`: how HubSpot keeps a company's domain."""
    return re.sub(r"^([a-z]+://)?(www\.)?|[/?#].*$", "", text.strip().lower())


def searchable(name: str, value: str) -> str:
    """The form in which a value of a text property is searched for and compared."""
    return bare_domain(value) if name == DOMAIN else " ".join(value.split()).lower()


def dialled(text: str) -> str:
    """A phone number without the marks that people write between its digits."""
    bare = re.sub(r"[\s().\-/\u2010-\u2015\u2212]", "", re.sub(r"(?<=[0-9\s])\(0\)", "", text))
    return f"+{bare[2:]}" if bare.startswith("00") else bare


_Form = tuple[frozenset[str], bool, str, int]


@dataclass(slots=True)
class _Seen:
    """What replies have shown of one property."""

    forms: set[_Form] = field(default_factory=set)  #: of the texts that a rule has changed
    refuted: set[str] = field(default_factory=set)  #: rules


class Respellings:
    """The spellings in which an account stores values, as far as its replies have shown them."""

    def __init__(self) -> None:
        self._seen: defaultdict[str, _Seen] = defaultdict(_Seen)  # by property

    def note(self, name: str, kind: Kind, sent: str, stored: str) -> None:
        """Note that the account stored one text as another, or as it was sent."""
        seen = self._seen[name]
        made = dict(spellings(name, kind, sent))
        right = {rule for rule, text in made.items() if text == stored}
        seen.refuted |= made.keys() - right
        if right and stored != sent and len(seen.forms) < _MOST_FORMS:
            seen.forms.add(_form(sent, stored))

    def gives(self, name: str, kind: Kind, wanted: str, held: str) -> bool:
        """Whether the account is known to store `wanted` as `held`."""
        seen = self._seen.get(name)
        if seen is None or not seen.forms or _form(wanted, held) not in seen.forms:
            return False
        left = {text for rule, text in spellings(name, kind, wanted) if rule not in seen.refuted}
        return left == {held}


def _form(sent: str, stored: str) -> _Form:
    """What two texts have in common if the same rule changes them in the same way."""
    folded = sent.lower()
    country = _COUNTRY.match(stored)
    marks = frozenset(_MARKS.findall(folded))
    return marks, folded != sent, country[0] if country else "", len(stored) if country else 0
