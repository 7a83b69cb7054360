"""The values that travel through a run. No behaviour beyond what a value says of itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

#: HubSpot's addresses are unique over contacts even where they are not the key.
EMAIL = "email"


class Outcome(StrEnum):
    """The final fate of a row. Every row ends in exactly one."""

    CREATED = "created"  #: HubSpot confirmed it: a new record
    UPDATED = "updated"  #: HubSpot confirmed it: a record that was there
    UNCHANGED = "unchanged"  #: read first, and there was nothing to write
    REJECTED = "rejected"  #: HubSpot refused this record for good
    INVALID = "invalid"  #: never sent: the row can't become an input
    SKIPPED = "skipped"  #: never sent, by the user's own rule
    ABANDONED = "abandoned"  #: attempts ran out without a definite answer, while others succeeded
    PENDING = "pending"  #: accepted, and neither confirmed nor refused, even by read-back


#: The outcomes that leave a dead letter behind.
DEAD_LETTERS = frozenset({Outcome.REJECTED, Outcome.INVALID, Outcome.ABANDONED})
#: Of these, the ones that may pass as they are: nobody has said anything against the row.
TRANSIENT = frozenset({Outcome.ABANDONED})


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a source where reading can start: the first byte of a row, or in a JSON array what stands
    behind the row before.
    """

    #: Bytes from the start of the content (unpacked, in UTF-8); of Parquet and Excel files, the row's number.
    offset: int = 0
    line: int = 1  #: `Row.number` of a row that begins there
    digest: str = field(default="", compare=False)  #: of all content before it, where it comes from a stream


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What stands in place of a row's content, or of one value that a program hands over, when it can't be
    read; `reason` is for the user.
    """

    reason: str


#: The category of a row whose content could not be read at all: its dead letter has bytes, and no cells.
UNREADABLE = "UNREADABLE"

#: The category of a row that has none of the properties rows are matched by. Counted apart.
NO_KEY = "KEY"

#: What a row holds: CSV cells in column order, or the fields of an NDJSON object (numbers as their
#: spelling in the source, booleans as `True`/`False`, null as `None`), or why it can't be read.
Content = Sequence[str] | Mapping[str, object] | Unreadable


class Fault(NamedTuple):
    """What is wrong with a row, or with one value of it; for the user."""

    reason: str
    category: str = "INVALID"
    column: str = ""  #: as the source names it, where it is one column's


#: What is said of a row is shortened to so many characters.
_MOST_TOLD = 1_000


def one_line(said: Sequence[str]) -> str:
    """Reasons, one after the other."""
    text = " ".join("; ".join(said).split())
    return text if len(text) <= _MOST_TOLD else f"{text[:_MOST_TOLD]}..."


@dataclass(slots=True)
class Row:
    """One row as its source holds it, before mapping."""

    #: The line an editor shows for the row's first line, or an Excel sheet's own number for it; of a JSON
    #: array and of Parquet, which have no lines or none that tell, the row's ordinal. 1 is the first.
    number: int
    #: The row's bytes as they stand in the source, without the final line end; of Parquet and Excel files, a
    #: JSON array of its cells.
    raw: bytes
    content: Content


@dataclass(slots=True)
class Plain:
    """Rows of one line each, whose form needs no closer look: what is in bulk is cheap."""

    number: int  #: `Row.number` of the first; the others follow
    raws: list[bytes]  #: `Row.raw` of each
    cells: list[list[str]] | None  #: of each, in column order; None where each is an object
    content: Callable[[bytes], Content]  #: what one row's bytes hold

    def row(self, index: int) -> Row:
        raw = self.raws[index]
        return Row(self.number + index, raw, self.cells[index] if self.cells else self.content(raw))


@dataclass(slots=True)
class RowSlice:
    """Consecutive rows of one source. `end` is where the next slice starts; slices abut."""

    rows: Sequence[Row]
    start: Mark
    end: Mark
    plain: Plain | None = None  #: the same rows in bulk, where their form allows


@dataclass(slots=True)
class Record:
    """A row that became an input: what is sent, and what is needed to account for it."""

    position: int  #: ordinal over all sources, from 0; also its `objectWriteTraceId`
    source: int  #: which source, from 0
    row: int  #: `Row.number`
    id_property: str
    key: str  #: the value of `id_property` as it is sent
    values: tuple[str, ...]  #: the unique values it closes while in flight, the key's first (`closed_value`)
    body: bytes  #: the encoded input
    raw: bytes  #: `Row.raw`, for the dead letter
    lost: bool = False  #: may have left before without a definite answer
    dropped: tuple[Fault, ...] = ()  #: values that were left out, since HubSpot would refuse them
    spared: int = 0  #: its values that are not sent, since HubSpot's are to stay

    @property
    def size_bytes(self) -> int:
        return len(self.body) + len(self.raw)


@dataclass(slots=True)
class Pack:
    """A full batch that was made up as its rows were read. No two of its records share a value, and each
    closes one only. What it weighs is counted once; its records are made when one needs a closer look.
    """

    positions: Sequence[int]  #: of its records, in order
    numbers: Sequence[int]  #: `Row.number` of each
    source: int
    id_property: str
    keys: list[str]
    values: list[str]  #: the value each closes
    body: bytes  #: the request's
    size_bytes: int
    records: Callable[[], list[Record]]  #: the same as records
    lost: bool = False  #: may have left before without a definite answer


@dataclass(slots=True)
class Unsent:
    """A row that is settled without being sent."""

    position: int
    source: int
    row: int
    key: str
    values: tuple[str, ...]  #: the unique values it names, the key's first; none without a key
    outcome: Outcome  #: INVALID or SKIPPED
    category: str
    reason: str
    raw: bytes
    faults: tuple[Fault, ...] = ()  #: all that is wrong with the row; the first is `category` and `reason`

    @property
    def told(self) -> str:
        """All that is wrong with it, in one line."""
        return one_line([fault.reason for fault in self.faults] or [self.reason])


@dataclass(slots=True)
class Slice:
    """What travels through the queue: the rows from position `first` on, and where to read them again."""

    first: int
    rows: int
    source: int
    start: Mark
    records: list[Record]
    unsent: list[Unsent]
    bytes_read: int = 0  #: of all source files on disk, once this slice was read
    packs: list[Pack] = field(default_factory=list)  #: rows that are not among `records`
    end: Mark | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row is a dead letter, as far as the server or we can say."""

    category: str
    message: str
    correlation_id: str = ""
    existing_id: str = ""


@dataclass(slots=True)
class Settlement:
    """The outcome of one record, on its way to the books."""

    record: Record | Unsent
    outcome: Outcome
    hubspot_id: str = ""  #: only when the answer names it
    replayed: bool = False  #: confirmed by a second sending, its first answer lost
    attempts: int = 1
    refusal: Refusal | None = None


def note(settlement: Settlement) -> str:
    """Why a row failed or was skipped, and which of its values were left out; "" where there is nothing."""
    record, refusal = settlement.record, settlement.refusal
    if isinstance(record, Unsent):
        return record.told
    return one_line(
        [
            *([refusal.message] if refusal else []),
            *(f"left out: {fault.reason}" for fault in record.dropped),
        ]
    )


#: The rule by which a record is skipped once it is known what HubSpot holds.
ONLY = "ONLY"


def skip_rule(settlement: Settlement) -> str:
    """By which rule a row was skipped."""
    record, refusal = settlement.record, settlement.refusal
    return record.category if isinstance(record, Unsent) else (refusal.category if refusal else "") or ONLY


@dataclass(slots=True)
class Delivered:
    """A pack of which every record was confirmed: as a settlement each, in bulk."""

    pack: Pack
    hubspot_ids: list[str]
    news: list[bool]  #: which of them are created


def closed_value(name: str, value: str) -> str:
    """What two rows are compared by: HubSpot matches unique values without regard to case."""
    return f"{name}={value.strip().lower()}"


def told_key(key: str, values: Sequence[str], main: str) -> str:
    """A row's key as people are told it: with its property's name where that isn't the job's main one.

    `values`: what the row closes, its key's first.
    """
    name = values[0].partition("=")[0] if values and key else main
    return key if name == main else f"{name}={key}"


@dataclass(slots=True)
class Tallies:
    """The books: counts over all invocations of a job."""

    rows: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    replayed: int = 0
    values_dropped: int = 0
    keyless: int = 0  #: of the invalid: rows that have no key at all
    values_spared: int = 0  #: not sent, since HubSpot's were to stay
    requests: int = 0
    throttled: int = 0
    retries: int = 0
    num_errors: int = 0
    aliases: int = 0  #: contacts that several keys of the sources led to
    upserts: int = 0  #: requests that carried records
    sent: int = 0  #: records in them, those sent again included
    held_back: int = 0  #: rows that had to wait for an earlier row of their contact
    batches: dict[str, int] = field(default_factory=dict)
    skips: dict[str, int] = field(default_factory=dict)  #: rows that were skipped, by the rule
    pauses: dict[str, int] = field(default_factory=dict)  #: in which nobody sent, by cause

    @property
    def settled(self) -> int:
        return sum(self.outcomes.values())

    @property
    def open(self) -> int:
        return self.rows - self.settled

    @property
    def confirmed(self) -> int:
        return self.outcomes[Outcome.CREATED] + self.outcomes[Outcome.UPDATED]

    @property
    def failed(self) -> int:
        return sum(self.outcomes[outcome] for outcome in DEAD_LETTERS)

    @property
    def records_per_upsert(self) -> float:
        return self.sent / self.upserts if self.upserts else 0.0


WRITTEN = frozenset({Outcome.CREATED, Outcome.UPDATED})


#: Sent, and never answered for certain.
MAYBE_WRITTEN = frozenset({Outcome.ABANDONED, Outcome.PENDING})


def closed_values(name: str, keys: Sequence[str]) -> list[str]:
    """`closed_value` of each; the keys are trimmed."""
    prefix = f"{name}="
    joined = prefix + f"\n{prefix}".join(keys)
    if joined.isascii() and prefix == prefix.lower():
        values = joined.lower().split("\n")
        if len(values) == len(keys):
            return values
    return [closed_value(name, key) for key in keys]
