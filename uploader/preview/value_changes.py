"""Count what a run would do to values, by property, with a few examples of each kind.

In    the decision for each row (`write_policy.Decision`), what HubSpot has, what is wrong with a row.
Out   a `Tally`; the value that HubSpot would have after a write.
Raise nothing.
Rules Memory is bounded: the number of properties and examples, and the length of each text.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from uploader.hubspot.replies import Result
from uploader.hubspot.schema import Kind
from uploader.model.rows import Fault
from uploader.preview.simulated_contact import in_hubspot
from uploader.records.values.compare import Match, compare
from uploader.records.write_policy import Change, Decision

#: Kinds besides those of `Change`: a later row of the file replaces or clears what an earlier one wrote;
#: HubSpot would refuse the value, so it is not sent.
REWRITTEN, REFUSED = "rewritten", "refused"
KINDS = (*(change.value for change in Change), REWRITTEN, REFUSED)
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
        held: Result | None,
    ) -> None:
        """Count a row that HubSpot would accept, or that has nothing to be written."""
        there = held.properties if held else {}
        examples = []
        for name, change in decision.changes.items():
            kind = kind_of(name, change, held)
            self._count(name, kind)
            if change is Change.SAME or not self.most_examples:
                continue
            before, asked = text_of(there.get(name)), wanted[name]
            after = before
            if change is not Change.PRESERVED:
                after = after_writing(name, asked, before, self.kinds.get(name, Kind()))
            texts = shortened(before), shortened(asked), shortened(after)
            examples.append(Example(source, row, name, kind, *texts))
        self._keep(examples)

    def refuses(self, source: int, row: int, faults: Iterable[tuple[str, Fault]]) -> None:
        """Count faults of a row, each with its property; "" for the row as a whole."""
        examples = []
        for name, fault in faults:
            known = self._count(name, REFUSED) if name else ""
            self.faults[fault.category, known] += 1
            examples.append(Example(source, row, name, REFUSED, reason=shortened(fault.reason)))
        self._keep(examples)

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

    def _keep(self, examples: Sequence[Example]) -> None:
        """Keep one example of each kind of a row, of the property with the fewest. If there are enough, it
        replaces one of the property with the most examples.
        """
        for kind in dict.fromkeys(one.kind for one in examples):
            kept = self._examples.setdefault(kind, [])
            share = Counter(one.property for one in kept)
            example = min((one for one in examples if one.kind == kind), key=lambda one: share[one.property])
            if any((one.source, one.row) == (example.source, example.row) for one in kept):
                continue
            if len(kept) >= self.most_examples:
                name, most = share.most_common(1)[0] if share else ("", 0)
                if most <= share[example.property] + 1:
                    continue
                at = max(index for index, one in enumerate(kept) if one.property == name)
                del kept[at]
            kept.append(example)


def kind_of(name: str, change: Change, held: Result | None) -> str:
    """The kind of a change; `held` is the contact as it would be by then."""
    there = held.properties if held else {}
    is_replaced = change in {Change.OVERWRITTEN, Change.CLEARED}
    if is_replaced and text_of(there.get(name)) != text_of(in_hubspot(held).get(name)):
        return REWRITTEN
    return change.value


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


def shortened(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."
