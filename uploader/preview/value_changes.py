"""What a run would do to values: counted by property, with a few examples of each kind.

In    what each row would do (`write_policy.Decision`), what HubSpot holds, what is wrong with a row.
Out   a `Tally`; what HubSpot would hold after a write.
Raise nothing.
Rules Memory is bounded: so many properties and examples, each text cut to so many characters.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from uploader.hubspot.schema import Kind
from uploader.model.rows import Fault
from uploader.records.values.compare import LIFECYCLE_STAGE, Match, compare
from uploader.records.write_policy import Change, Decision

#: What is done to a value, beside the kinds of `Change`: HubSpot would not take it, so it is not sent.
REFUSED = "refused"
KINDS = (*(change.value for change in Change), REFUSED)
#: Kinds that are told by example; there is nothing to see where nothing changes.
EXAMPLE_KINDS = tuple(kind for kind in KINDS if kind != Change.SAME)
#: Where rows name their own fields, there may be no end of names: the rest is counted under one.
MOST_NAMES, OTHERS = 2_000, "(others)"
_MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Example:
    """One value of one row."""

    source: int
    row: int
    property: str
    kind: str  #: of `KINDS`
    before: str = ""  #: what HubSpot holds; "" for nothing
    asked: str = ""  #: what the row holds
    after: str = ""  #: what HubSpot would hold then
    reason: str = ""  #: why it is refused


@dataclass(slots=True)
class Tally:
    """Grows with every row."""

    most_examples: int = 5  #: of each kind
    kinds: Mapping[str, Kind] = field(default_factory=dict)  #: of the properties, as far as known
    properties: dict[str, Counter[str]] = field(default_factory=dict)  #: name -> kind -> values
    skipped: Counter[str] = field(default_factory=Counter)  #: rows by reason
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)  #: values by category and property
    _examples: dict[str, list[Example]] = field(default_factory=dict)

    def writes(
        self,
        *,
        source: int,
        row: int,
        decision: Decision,
        wanted: Mapping[str, str],
        held: Mapping[str, object],
    ) -> None:
        """A row that HubSpot would take, or that is not sent for nothing in it."""
        for name, change in decision.changes.items():
            self._count(name, change.value)
            if change is Change.SAME or not self.most_examples:
                continue
            before, asked = text_of(held.get(name)), wanted[name]
            after = before
            if change is not Change.SPARED:
                after = after_writing(name, asked, before, self.kinds.get(name, Kind()))
            self._keep(Example(source, row, name, change.value, _cut(before), _cut(asked), _cut(after)))

    def refuses(self, source: int, row: int, faults: Iterable[tuple[str, Fault]]) -> None:
        """What is wrong with single values of a row; each comes with its property, "" for the row's own."""
        for name, fault in faults:
            known = self._count(name, REFUSED) if name else ""
            self.faults[fault.category, known] += 1
            self._keep(Example(source, row, name, REFUSED, reason=_cut(fault.reason)))

    def skips(self, reason: str) -> None:
        """A row that is not sent by the user's own rule; `reason` is the same for many."""
        self.skipped[reason] += 1

    def total(self, kind: str) -> int:
        return sum(counts[kind] for counts in self.properties.values())

    def examples(self, kind: str) -> list[Example]:
        """In the order of the rows."""
        return sorted(self._examples.get(kind, ()), key=lambda one: (one.source, one.row))

    def _count(self, name: str, kind: str) -> str:
        """The name it is counted under."""
        if name not in self.properties and len(self.properties) >= MOST_NAMES:
            name = OTHERS
        self.properties.setdefault(name, Counter())[kind] += 1
        return name

    def _keep(self, example: Example) -> None:
        """Of as many properties as there is room for: one that has more makes way for one that has fewer."""
        kept = self._examples.setdefault(example.kind, [])
        if len(kept) >= self.most_examples:
            share = Counter(one.property for one in kept)
            name, most = share.most_common(1)[0] if share else ("", 0)
            if most <= share[example.property] + 1:
                return
            at = max(index for index, one in enumerate(kept) if one.property == name)
            del kept[at]
        kept.append(example)


def after_writing(name: str, text: str, before: str, kind: Kind) -> str:
    """What a property holds once a text was written over another; "" for nothing."""
    if name == LIFECYCLE_STAGE and compare(name, kind, text, before).match is Match.ADJUSTED:
        return before
    if kind.is_multiple and text.startswith(";"):
        there = [part for part in before.split(";") if part]
        return ";".join(dict.fromkeys([*there, *text.removeprefix(";").split(";")]))
    return text


def text_of(value: object) -> str:
    """A held value; HubSpot's null is nothing."""
    return value if isinstance(value, str) else ""


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."
