"""What every source offers, whatever its format. No format's own rules live here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from uploader.model.rows import Mark, Row, RowSlice

#: A slice closes at whichever comes first.
SLICE_ROWS = 500
SLICE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Shape:
    """How a source's rows are written: enough to read one row's bytes again, later, on its own."""

    format: str  #: "csv", "ndjson", "json", "parquet", "xlsx"; "rows": a program's
    delimiter: str = ""  #: CSV only
    columns: tuple[str, ...] = ()  #: the header, made unique; none where rows name their own fields
    encoding: str = ""  #: "" is UTF-8
    sheet: str = ""  #: Excel only

    @property
    def has_numbers(self) -> bool:
        """Whether the format has numbers of its own, beside texts."""
        return self.format != "csv"


class Source(Protocol):
    """A stream of rows that can be entered at any `Mark` it has given out.

    `slices` may be called once at a time. It reads lazily, in bounded memory, and never raises for the
    sake of a row; `SourceError` is for a source that can't be read on (a broken archive, an I/O error).
    """

    name: str  #: as the user named it
    shape: Shape
    size_bytes: int | None  #: of the file on disk; None where it can't be known (stdin)
    fingerprint: str  #: of size and sampled content: tells another file from this one
    declared_rows: int | None  #: where the file itself says so
    is_local: bool  #: plain text on a disk of this machine: a slice is read without waiting for anybody

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know of it, a line each. Reading it may add to them."""
        ...

    def first_rows(self) -> Sequence[Row]:
        """Of a source whose rows name their own fields, some from its beginning; what is read once (stdin)
        is not used up. No rows of others: their columns tell.
        """
        ...

    def slices(self, start: Mark | None = None, known: Sequence[Mark] = ()) -> Iterator[RowSlice]:
        """`known`: marks that were given out before, in order. A stream that gives something else up to one
        of them is refused before the slice that reaches it.
        """
        ...

    def bytes_read(self) -> int:
        """Bytes of the file on disk (compressed, if it is) read so far, for the share done."""
        ...

    def bytes_at(self, mark: Mark) -> int:
        """The same, for a mark of the last slice that was given out: without what is read ahead, if known."""
        ...
