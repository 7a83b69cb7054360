"""Count what a run would do to values, by property, with a few examples of each kind.

In    the decision for each row (`write_policy.Decision`), what HubSpot has, what is wrong with a row.
Out   a `Tally`; the value that HubSpot would have after a write.
Raise nothing.
Rules Memory is bounded: the number of properties and examples, and the length of each text.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from uploader.hubspot.schema import Kind
from uploader.model.rows import Fault
from uploader.records.values.compare import Match, compare
from uploader.records.write_policy import Change, Decision

#: A kind besides those of `Change`: HubSpot would refuse the value, so it is not sent.
REFUSED = "refused"
KINDS = (*(change.value for change in Change), REFUSED)
#: Kinds that are shown with examples: all but unchanged values.
EXAMPLE_KINDS = tuple(kind for kind in KINDS if kind != Change.SAME)
#: Rows that name their own fields may have any number of names: beyond this many they are counted as one.
MOST_NAMES, OTHERS = 2_000, "(others)"
_MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Example:
    """One value of one row."""

    source: int
    row: int
    property: str
    kind: str  #: of `KINDS`
    before: str = ""  #: what HubSpot has; "" for nothing
    asked: str = ""  #: what the row has
    after: str = ""  #: what HubSpot would have afterwards
    reason: str = ""  #: why it is refused


@dataclass(slots=True)
class Tally:
    """Counts and examples so far."""

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
        """Count a row that HubSpot would accept, or that has nothing to be written."""
        for name, change in decision.changes.items():
            self._count(name, change.value)
            if change is Change.SAME or not self.most_examples:
                continue
            before, asked = text_of(held.get(name)), wanted[name]
            after = before
            if change is not Change.PRESERVED:
                after = after_writing(name, asked, before, self.kinds.get(name, Kind()))
            self._keep(Example(source, row, name, change.value, _cut(before), _cut(asked), _cut(after)))

    def refuses(self, source: int, row: int, faults: Iterable[tuple[str, Fault]]) -> None:
        """Count faults of a row, each with its property; "" for the row as a whole."""
        for name, fault in faults:
            known = self._count(name, REFUSED) if name else ""
            self.faults[fault.category, known] += 1
            self._keep(Example(source, row, name, REFUSED, reason=_cut(fault.reason)))

    def skips(self, reason: str) -> None:
        """Count a row that is not sent because of an option. `reason` is the same for many rows."""
        self.skipped[reason] += 1

    def total(self, kind: str) -> int:
        return sum(counts[kind] for counts in self.properties.values())

    def examples(self, kind: str) -> list[Example]:
        """The examples of this kind, in row order."""
        return sorted(self._examples.get(kind, ()), key=lambda one: (one.source, one.row))

    def _count(self, name: str, kind: str) -> str:
        """Count a value; the name that it is counted under."""
        if name not in self.properties and len(self.properties) >= MOST_NAMES:
            name = OTHERS
        self.properties.setdefault(name, Counter())[kind] += 1
        return name

    def _keep(self, example: Example) -> None:
        """Keep an example. If there are enough, it replaces one of the property with the most examples."""
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
    """The value of a property after a text is written over another; "" for nothing."""
    if compare(name, kind, text, before).match is Match.EXPLAINED:
        return before
    if kind.is_multiple and text.startswith(";"):
        there = [part for part in before.split(";") if part]
        return ";".join(dict.fromkeys([*there, *text.removeprefix(";").split(";")]))
    return text


def text_of(value: object) -> str:
    """A value of HubSpot as text; "" for null."""
    return value if isinstance(value, str) else ""


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."
