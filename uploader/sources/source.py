"""The interface of every source, whatever its format."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from uploader.model.rows import Mark, Row, RowSlice

#: A slice ends at whichever limit comes first. Its rows stay in the processor's cache until they are records:
#: with 500 of them an upload took 8 to 15 % more CPU.
SLICE_ROWS = 200
SLICE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Shape:
    """How a source's rows are written: enough to decode one row's bytes again later."""

    format: str  #: "csv", "ndjson", "json", "parquet", "xlsx", "sql"; "rows": a program's
    delimiter: str = ""  #: CSV only
    columns: tuple[str, ...] = ()  #: the header, made unique; empty if rows name their own fields
    encoding: str = ""  #: "" is UTF-8
    sheet: str = ""  #: Excel only
    query: str = ""  #: SQL only; "" for a table, which the name of the source has

    @property
    def has_numbers(self) -> bool:
        """Whether the format has numbers beside texts."""
        return self.format != "csv"


class Source(Protocol):
    """A stream of rows that can be read from any `Mark` it has returned.

    Only one iterator of `slices` at a time. It reads lazily, in bounded memory, and an unreadable row raises
    nothing; `SourceError` means that the source can't be read further (a broken archive, an I/O error).
    """

    name: str  #: as the user named it
    shape: Shape
    size_bytes: int | None  #: of the file on disk; None if unknown (stdin). Of a query, by its number of rows
    fingerprint: (
        str  #: of size and sampled content: identifies the file. Of a query, of its text and database
    )
    declared_rows: int | None  #: the number of rows, if it is known without reading them
    is_repeatable: bool  #: it can be read several times; if not, from the first row only once
    is_local: bool  #: plain text on a local disk: reading a slice does not wait

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices for the user, one line each. Reading may add some."""
        ...

    def first_rows(self) -> Sequence[Row]:
        """Some rows from the beginning, if rows name their own fields; none if there is a header.

        They are not consumed, even from a source that is read once (stdin).
        """
        ...

    def slices(self, start: Mark | None = None, known: Sequence[Mark] = ()) -> Iterator[RowSlice]:
        """The slices from a mark on.

        `known`: marks returned before, in order. A stream whose content up to one of them has changed is
        refused before the slice that reaches it.
        """
        ...

    def bytes_read(self) -> int:
        """Bytes of the file on disk read so far (compressed, if it is), for the progress."""
        ...

    def bytes_at(self, mark: Mark) -> int:
        """Bytes read up to a mark of the last slice: without what was read ahead, if known."""
        ...
