"""The failed rows of a job as values, read from its checkpoint."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from uploader.model.outcomes import Outcome
from uploader.model.rows import UNREADABLE, Unreadable
from uploader.records.columns import OWN_PREFIX
from uploader.sources.open import read_row_again
from uploader.storage.checkpoint import Checkpoint, Identity
from uploader.storage.checkpoint_tables.failed_and_pending_rows import DeadLetter

Kind = Literal["all", "transient", "permanent"]
#: The rows that each kind includes. All open rows of a key are of one kind: sent from two files, an earlier
#: row might be written last.
KINDS: Mapping[Kind, Callable[[DeadLetter], bool]] = {
    "all": lambda _: True,
    "transient": lambda letter: letter.is_retryable,
    "permanent": lambda letter: not letter.is_retryable,
}


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A rejected, invalid or abandoned row. `key`, `message`, `cells` and `raw` are personal data, or may
    hold some.
    """

    source: str  #: its name
    row: int  #: as in the results file: a line of CSV, else the row's ordinal; 1 is the first
    key: str
    outcome: Outcome
    category: str  #: a rule of uploader, or HubSpot's category
    message: str  #: the same as a text
    attempts: int
    correlation_id: str  #: for HubSpot's support
    existing_id: str  #: of the record that has a unique value of the row
    superseded: int | None  #: the later row that wrote the same key
    is_transient: bool  #: it may succeed unchanged; others are to be corrected first
    cells: Mapping[str, object]  #: by column; without those of uploader's own columns
    raw: str  #: the text of a row that cannot be read, else ""
    first_source: str  #: of a row that failed again: as the first file of failed rows has it
    first_row: object

    def as_dict(self) -> dict[str, object]:
        """The row as a line of NDJSON that `failures` writes: its cells, and uploader's own columns."""
        return {
            **self.cells,
            "uploader_row": self.first_row,
            "uploader_source": self.first_source,
            "uploader_outcome": self.outcome.value,
            "uploader_category": self.category,
            "uploader_message": self.message,
            "uploader_attempts": self.attempts,
            "uploader_correlation_id": self.correlation_id,
            "uploader_existing_id": self.existing_id,
            "uploader_superseded": "" if self.superseded is None else self.superseded,
            "uploader_raw": self.raw,
        }


def failed_rows(checkpoint: Checkpoint, kind: Kind = "all") -> Iterator[FailedRow]:
    """The failed rows in file order."""
    identity = checkpoint.identity()
    return (failed_row(letter, identity) for letter in filter(KINDS[kind], checkpoint.dead_letters()))


def failed_row(letter: DeadLetter, identity: Identity) -> FailedRow:
    source = identity.sources[letter.source]
    # A row that was unreadable in its file may be readable by itself, such as a cut-off last line.
    readable = letter.category != UNREADABLE
    content = read_row_again(source.shape, letter.raw) if readable else Unreadable(letter.message)
    row: dict[str, object] = {}
    if isinstance(content, Mapping):
        row = dict(content)
    elif not isinstance(content, Unreadable):
        row = dict(zip(source.shape.columns, content, strict=True))
    before = {name: row.pop(name) for name in list(row) if name.startswith(OWN_PREFIX)}
    return FailedRow(
        source=source.name,
        row=letter.row,
        key=letter.key,
        outcome=Outcome(letter.outcome),
        category=letter.category,
        message=letter.message,
        attempts=letter.attempts,
        correlation_id=letter.correlation_id,
        existing_id=letter.existing_id,
        superseded=letter.superseded,
        is_transient=letter.is_retryable,
        cells=row,
        raw=_raw_text(letter.raw) if isinstance(content, Unreadable) else "",
        # A row that failed again keeps the number of its first source.
        first_source=str(before.get("uploader_source") or _name_text(source.name)),
        first_row=before.get("uploader_row") or letter.row,
    )


def _raw_text(raw: bytes) -> str:
    """The bytes as text; bytes that are not UTF-8 as \\xNN."""
    return raw.decode("utf-8", "backslashreplace")


def _name_text(name: str) -> str:
    """The name of a file; bytes that are not UTF-8 as \\xNN."""
    return _raw_text(name.encode("utf-8", "surrogateescape"))
