"""The `Source` of a query or a table.

Pages     Where rows are ordered by columns that the query returns, it is read in pages: each is a query of
          its own that goes on behind the last key, so that no transaction stays open while rows are sent.
          Where the first row of a page takes long, one query returns all rows left; where keys are texts,
          one returns all rows.
Resume    By the key, if the last rows before the mark are still as they were, and if the database counts as
          many rows before a key of texts as were read. If not, or without such an order, all rows before the
          mark are read again and compared by their hash. So they are if a page lacks the row before it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, cast

from uploader.errors import ChangedRowsError, SourceError
from uploader.model.rows import Mark, Row, RowSlice
from uploader.sources.formats.csv_header import name_columns
from uploader.sources.formats.rows_of_cells import Cells, TableRows, cut_rows, encode_cells
from uploader.sources.source import Shape
from uploader.sources.sql.cells import spell_value
from uploader.sources.sql.connection import Database, LostConnectionError, Values
from uploader.sources.sql.ordered_query import Order, before_query, count_query, page_query
from uploader.sources.sql.statement import find_columns, read_statement
from uploader.sources.sql.tables import no_table_error, statement_of_table
from uploader.sources.sql.trail import Key, Place, Trail, digest_of, read_place

if TYPE_CHECKING:
    from sqlalchemy import Executable

#: A page ends at whichever limit comes first.
PAGE_ROWS, PAGE_BYTES = 5_000, 4 * 1024 * 1024
#: A query that takes longer than this to return its first row is not asked again for every page.
_SLOW_SECONDS = 1.0
#: How long a lost connection is waited for before each further attempt to read a page.
_RETRY_SECONDS = (1.0, 5.0, 15.0)
#: The size of a row in the progress, which counts rows here, and bytes of files.
_ROW_BYTES = 100
_FIRST = Mark(1, 1)


@dataclass(frozen=True, slots=True)
class _Page:
    rows: Sequence[Values]
    is_last: bool
    is_slow: bool  #: its first row took long


class SqlSource:
    """Reads the rows of a query. Its marks are row numbers."""

    is_local = False
    is_repeatable = True

    def __init__(
        self,
        name: str,
        query: str | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect, and read the first row. `query`: None for the table that the URL names."""
        database = self._database = Database(name)
        table = database.url.table
        self.name = database.name
        if table and query:
            raise SourceError(f"{self.name}: names a table, and --query is given, too; leave one of them out")
        if not table and not query:
            raise no_table_error(database)
        self._statement = read_statement(query) if query else statement_of_table(database, table)
        self._names, self._first = self._read_header()
        self.shape = Shape("sql", columns=name_columns(self._names), query=query or "")
        said = f"{database.url.place}\n{table or self._statement.text}"
        self.fingerprint = sha256(said.encode(errors="surrogateescape")).hexdigest()
        self.notices: tuple[str, ...] = ()
        self._order = self._find_order()
        self.declared_rows = self._count()
        self.size_bytes = None if self.declared_rows is None else self.declared_rows * _ROW_BYTES
        self._read_rows = 0
        self._clock, self._sleep = clock, sleep

    def __repr__(self) -> str:
        return f"<sql source {self.name!r}: {self._read_rows:,} rows read>"

    # --- what the query is ---

    def _read_header(self) -> tuple[Sequence[str], Values]:
        """The names of the columns, and the first row."""
        with closing(self._database.rows(self._statement.text)) as parts:  # type: ignore[type-var]  # a generator
            names, first = next(parts)[0], next(parts, None)
        if not first:
            raise SourceError(f"{self.name}: has no rows")
        return [str(name) for name in names], first[0]

    def _find_order(self) -> Order | None:
        """The columns by which reading can go on; None if there are none."""
        if not self._statement.is_ordered:
            text = "no ORDER BY: a killed run can only go on if the rows come in the same order again"
            self.notices += (f"{self.name}: the query has {text}",)
        columns = find_columns(self._statement.order, self._names)
        is_clear = len({name.casefold() for name in self._names}) == len(self._names)
        falls = tuple(column.is_descending for column in self._statement.order)
        return Order(columns, falls) if columns and is_clear else None

    def _count(self) -> int | None:
        """The number of rows; None if they can't be counted. If keys are NULL, there is no order by them."""
        text = self._statement.unordered or self._statement.text
        try:
            query = count_query(text, self._names, self._order)
            with closing(self._database.rows(query)) as parts:  # type: ignore[type-var]  # a generator
                next(parts)
                rows, *keys = cast("Sequence[int]", next(parts)[0])
        except SourceError:
            self._order = None
            return None
        if any(count != rows for count in keys):
            self._order = None  # NULL is before all others in one database, and behind them in another
        return rows

    # --- reading ---

    def first_rows(self) -> Sequence[Row]:
        return ()

    def slices(self, start: Mark | None = None, known: Sequence[Mark] = ()) -> Iterator[RowSlice]:
        """The slices from a mark on. Closing the iterator ends the query."""
        start = start or _FIRST
        trail = Trail(start.offset - 1, start.digest, read_place(start.key))
        due = {mark.offset - 1: mark.digest for mark in known if mark.offset > start.offset and mark.digest}
        changed: list[int] = []
        before = start
        with closing(self._rows(start, trail, due, changed)) as rows:  # type: ignore[type-var]  # a generator
            for one in cut_rows(rows, start, TableRows(self.shape.columns)):
                if changed:
                    raise self._changed_error(changed[0])
                place = trail.place
                one.start = before
                before = one.end = replace(one.end, digest=trail.digest, key=place.text() if place else "")
                self._read_rows = trail.rows
                yield one
        if max(due, default=0) > trail.rows:
            raise self._ended_error(max(due) - trail.rows)

    def _rows(
        self, start: Mark, trail: Trail, due: Mapping[int, str], changed: list[int]
    ) -> Iterator[tuple[int, Cells]]:
        """The rows behind a mark with their numbers. `due`: hashes by number of row; the numbers of those
        that differ are added to `changed`.
        """
        for values in self._values(start, trail):
            cells = self._spelled(values)
            trail.add(encode_cells(cells), self._key(values))
            if due.get(trail.rows, trail.digest) != trail.digest:
                changed.append(trail.rows)
            yield trail.rows, cells

    def _values(self, start: Mark, trail: Trail) -> Iterator[Values]:
        place, order = read_place(start.key), self._order
        if order is None or (place is None and start.offset > 1):
            yield from self._all(trail)
        elif Place(self._key(self._first)).is_exact:
            yield from self._paged(order, place, trail)
        else:
            yield from self._in_one_query(order, place, trail)

    def _in_one_query(self, order: Order, place: Place | None, trail: Trail) -> Iterator[Values]:
        """The rows behind a place whose key has texts. The database may call keys equal that differ here, and
        may compare them by other rules than it orders them.
        """
        if place is not None and place.rows <= PAGE_ROWS and self._agrees(order, place, trail.rows):
            query = page_query(self._statement.unordered, self._names, order, place.key)
            rows = self._behind(place, self._streamed(query), compares=True)
            if rows is not None:
                yield from rows
                return
        yield from self._all(trail)

    def _agrees(self, order: Order, place: Place, read: int) -> bool:
        """Whether the database has as many rows before a place as were read."""
        query = before_query(self._statement.unordered, self._names, order, place.key)
        ((before,),) = self._streamed(query)
        return before == read - place.rows

    def _paged(self, order: Order, place: Place | None, trail: Trail) -> Iterator[Values]:
        """The rows behind a place, page by page. `trail` follows them. If the rows of the place are not found
        as they were, all rows are read again.
        """
        is_resumed = place is not None
        while place is None or (place.is_exact and place.rows <= PAGE_ROWS):
            page = self._page(order, place)
            rows = self._behind(place, page.rows, compares=is_resumed)
            if rows is None:
                break
            yield from rows
            if page.is_last:
                return
            before, place = place, trail.place
            if place is None:
                break
            is_resumed = is_resumed and place == before
            if page.is_slow or place == before:
                rest = self._streamed(page_query(self._statement.unordered, self._names, order, place.key))
                rows = self._behind(place, rest, compares=is_resumed)
                if rows is None:
                    break
                yield from rows
                return
        yield from self._all(trail)

    def _page(self, order: Order, place: Place | None) -> _Page:
        """One page from the place on, with the rows of its key. A lost connection is made again.

        Only the last page ends with a key of which it may lack rows: in the next query, rows of one key may
        come in another order.
        """
        for seconds in _RETRY_SECONDS:
            try:
                return self._read_page(order, place)
            except LostConnectionError:
                self._sleep(seconds)
        return self._read_page(order, place)

    def _read_page(self, order: Order, place: Place | None) -> _Page:
        expected = place.rows if place else 0
        limit = PAGE_ROWS + expected
        query = page_query(self._statement.unordered, self._names, order, place.key if place else (), limit)
        began, seconds, size = self._clock(), 0.0, 0
        rows: list[Values] = []
        with closing(self._database.rows(query)) as parts:  # type: ignore[type-var]  # a generator
            next(parts)
            for part in parts:
                seconds = seconds or self._clock() - began
                rows += part
                size += sum(len(one) for values in part for one in values if isinstance(one, str | bytes))
                if size >= PAGE_BYTES and len(rows) > expected:
                    return _Page(self._of_whole_keys(rows), is_last=False, is_slow=seconds > _SLOW_SECONDS)
        is_last = len(rows) < limit
        return _Page(rows if is_last else self._of_whole_keys(rows), is_last, seconds > _SLOW_SECONDS)

    def _of_whole_keys(self, rows: Sequence[Values]) -> Sequence[Values]:
        """The rows without those at the end that share the last key."""
        last = self._key(rows[-1])
        return rows[: next((at for at in range(len(rows), 0, -1) if self._key(rows[at - 1]) != last), 0)]

    def _behind(
        self, place: Place | None, rows: Iterable[Values], *, compares: bool
    ) -> Iterator[Values] | None:
        """The rows behind those of a place: behind all of its key, or, if they are compared, behind as many
        as it has. None if they are not as they were, or not there: then rows that are left may be missing,
        and rows that were read may be there again.
        """
        if place is None:
            return iter(rows)
        ahead, taken, following = iter(rows), list[Values](), list[Values]()
        for values in ahead:
            if self._key(values) != place.key:
                following.append(values)
                break
            taken.append(values)
            if compares and len(taken) == place.rows:
                break
        if len(taken) < place.rows:
            return None
        if compares and digest_of([encode_cells(self._spelled(one)) for one in taken]) != place.digest:
            return None
        return chain(following, ahead)

    def _all(self, trail: Trail) -> Iterator[Values]:
        """All rows of the statement behind those of `trail`, which are read again and compared."""
        count, digest, again = trail.rows, trail.digest, Trail()
        for values in self._streamed(self._statement.text):
            if again.rows == count:
                yield values
                continue
            again.add(encode_cells(self._spelled(values)))
            if again.rows == count and again.digest != digest:
                raise self._changed_error(count)
        if again.rows < count:
            raise self._ended_error(count - again.rows)

    def _streamed(self, query: "Executable | str") -> Iterator[Values]:
        with closing(self._database.rows(query)) as parts:  # type: ignore[type-var]  # a generator
            next(parts)
            for part in parts:
                yield from part

    def _spelled(self, values: Values) -> Cells:
        return [spell_value(value) for value in values]

    def _key(self, values: Values) -> Key:
        return tuple(values[at] for at in self._order.columns) if self._order else ()

    def _changed_error(self, rows: int) -> ChangedRowsError:
        order = "" if self._statement.is_ordered else " (without ORDER BY, their order may have changed)"
        return ChangedRowsError(
            f"{self.name}: its first {rows:,} rows differ from those that the job has read before{order}; "
            f"{_AGAIN}"
        )

    def _ended_error(self, missing: int) -> ChangedRowsError:
        return ChangedRowsError(
            f"{self.name}: ends {missing:,} rows before the position that the job has reached; {_AGAIN}"
        )

    # --- progress ---

    def bytes_read(self) -> int:
        return self._read_rows * _ROW_BYTES

    def bytes_at(self, mark: Mark) -> int:
        return (mark.offset - 1) * _ROW_BYTES


_AGAIN = "give the same rows again, or start over with --restart"
