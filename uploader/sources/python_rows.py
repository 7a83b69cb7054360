"""Rows from a Python program, an iterable of mappings, as a stream of NDJSON lines.

Text      Texts, whole numbers, booleans, `None`, nested mappings and lists as in NDJSON; floats by their
          shortest text and decimals exactly, as `cell_text.spell_number` writes them; dates and times in
          ISO 8601, in UTC with a `Z` if the zone is known, others without; an enum's value; UUIDs.
          Unreadable: NaN and infinities, a lone surrogate, values of any other type (these alone: the
          row is well without them); a row that is no mapping, or has a field whose name is no text.
Threads   A plain iterable runs in the reader's thread, always the same, because it may block; an async
          one on the loop, in one task from its first row to its end. Both have the context variables of the
          caller. Only a few chunks are read ahead.
Raise     `SourceError` if the iterable raises, with the original exception in `error`. Its text has only the
          type: a message may quote a row.
"""

import asyncio
import contextvars
import queue
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time as clock
from decimal import Decimal
from enum import Enum
from typing import Any, BinaryIO, cast
from uuid import UUID

import orjson

from uploader.errors import SourceError
from uploader.model.rows import Content, Unreadable
from uploader.sources.bytes.byte_source import BLOCK_BYTES, EDGE_BYTES
from uploader.sources.formats.cell_text import spell_decimal, spell_float, spell_time
from uploader.sources.formats.ndjson_rows import DEPTH, NdjsonRows
from uploader.sources.formats.rows_of_cells import UnreadableValue
from uploader.system.blocking_calls import Offload

#: A chunk ends at whichever comes first, so a slow iterable does not delay its rows.
CHUNK_BYTES, CHUNK_SECONDS = 64 * 1024, 0.25
#: The most chunks of an async iterable that wait for the reader.
_CHUNKS_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Row:
    """A row with a reference of the program's own, which comes back as `ref` of the row's outcome.

    Any object will do: a database id, the message of a queue, a future. It is not sent and not stored. It
    stands beside the values, because it may be something that they do not have. Rows without one are plain
    mappings.
    """

    values: Mapping[str, object]
    ref: Any = None


Rows = Iterable[Mapping[str, object] | Row] | AsyncIterable[Mapping[str, object] | Row]

# --- a row to a line, and back ---

#: Types that orjson encodes as in NDJSON. Not floats: it silently encodes NaN as null.
_PLAIN = frozenset({str, bool, int, type(None)})
#: The only field of an object that replaces a value without a text form: the reason.
_MARK = "uploader_unreadable"
_INT64 = 2**63
_MISSING = "leave such values out (None)"
_TOO_DEEP = f"nested more than {DEPTH} levels deep"
_SURROGATE = "holds half of a surrogate pair, which is not valid text"


class _OddRowError(ValueError):
    """The text is for the user."""


def encode_row(row: object) -> bytes:
    """A row as a line without its end: an object, or an array with the reason if it is unreadable."""
    if type(row) is dict and _PLAIN.issuperset(map(type, row.values())):
        try:
            return orjson.dumps(row)
        except TypeError:
            pass  # an integer beyond 64 bits, a lone surrogate, a name that is no text
    try:
        return orjson.dumps(_spell_fields(_fields(row), DEPTH))
    except _OddRowError as error:
        return orjson.dumps([str(error)])


class ProgramRowReader(NdjsonRows):
    """Decodes lines of `encode_row`."""

    def contents(self, raws: Sequence[bytes]) -> list[Content]:
        if any(raw.startswith(b"[") or _MARK.encode() in raw for raw in raws):
            return list(map(self.content, raws))
        return super().contents(raws)

    def content(self, raw: bytes) -> Content:
        if raw.startswith(b"["):
            try:
                return Unreadable(str(orjson.loads(raw)[0]))
            except orjson.JSONDecodeError:
                pass  # too long, and cut
        content = super().content(raw)
        if isinstance(content, Mapping) and _MARK.encode() in raw:
            return {name: _unmarked(value) for name, value in content.items()}
        return content


def _unmarked(value: object) -> object:
    if isinstance(value, Mapping):
        if value.keys() == {_MARK}:
            return Unreadable(str(value[_MARK]))
        return {name: _unmarked(inner) for name, inner in value.items()}
    return value


def _fields(row: object) -> Mapping[Any, object]:
    if isinstance(row, Mapping):
        return row
    if hasattr(row, "keys") and hasattr(row, "__getitem__"):  # rows of database drivers
        return {name: row[name] for name in row.keys()}  # noqa: SIM118  # it may not iterate over them
    raise _OddRowError(f"a row must be a mapping of columns to values, not of type {_type(row)}")


def _spell_fields(fields: Mapping[Any, object], depth: int) -> dict[str, object]:
    if depth == 0:
        raise _OddRowError(_TOO_DEEP)
    spelled: dict[str, object] = {}
    for name, value in fields.items():
        if not isinstance(name, str) or not _is_text(name):
            raise _OddRowError(f"has a field name of type {_type(name)}, which must be a text")
        exact = _spell(value, depth)
        spelled[str.__str__(name)] = {_MARK: exact.reason} if isinstance(exact, UnreadableValue) else exact
    return spelled


def _spell(value: object, depth: int) -> object:  # noqa: C901, PLR0911  # one line a type
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value) if _is_text(value) else UnreadableValue(_SURROGATE)
    if isinstance(value, int):
        return int(value) if -_INT64 <= value < _INT64 else _spell_long(value)
    if isinstance(value, float):
        return spell_float(float(value))
    if isinstance(value, Decimal):
        return spell_decimal(value)
    if isinstance(value, date | clock):
        return spell_time(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return _spell(value.value, depth)
    if isinstance(value, Mapping):
        return _spell_fields(value, depth - 1)
    if isinstance(value, list | tuple):
        if depth == 0:
            raise _OddRowError(_TOO_DEEP)
        items = [_spell(item, depth - 1) for item in value]
        return next((item for item in items if isinstance(item, UnreadableValue)), items)
    if _is_numpy(value) and hasattr(value, "shape"):
        return _spell_numpy(value, depth)
    return _of_no_kind(value)


def _spell_numpy(value: Any, depth: int) -> object:  # noqa: ANN401  # it is not imported for it
    if value.shape != ():
        return _spell(list(value), depth)
    if value != value:  # noqa: PLR0124  # NaN, and NaT
        return UnreadableValue(f"holds {value}, which is not a value; {_MISSING}")
    item, kind = value.item(), value.dtype.kind
    if kind == "f" and value.dtype.itemsize < 8:  # as a Python float, 0.1 is 0.10000000149011612
        return spell_float(float(str(value)))
    if kind == "M" and isinstance(item, int):  # finer than any clock of Python's, as pandas has them
        item = value.astype("datetime64[us]").item()
    if _is_numpy(item) or (kind in "Mm" and isinstance(item, int)):
        return _of_no_kind(value)
    return _spell(item, depth)


def _is_numpy(value: object) -> bool:
    return type(value).__module__ == "numpy"


def _of_no_kind(value: object) -> UnreadableValue:
    return UnreadableValue(
        f"holds a value of type {_type(value)}, which is not a text, number, date or boolean"
    )


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _spell_long(value: int) -> str | UnreadableValue:
    try:
        return str(int(value))
    except ValueError:  # Python's own limit
        return UnreadableValue("holds a number with more digits than any property accepts")


def _type(value: object) -> str:
    return type(value).__name__


# --- the stream ---


class RowStream(ABC):
    """A program's rows as a binary stream of their lines, read once."""

    #: Read before the first row: the beginning, which identifies the rows when they are given again
    head_bytes = EDGE_BYTES
    can_be_given_again = True  #: from the first row on, to resume a job

    def __init__(self, name: str, *, keeps_refs: bool) -> None:
        """`keeps_refs`: somebody takes the `refs` of the rows, which are else ignored."""
        self.name = name
        self.error: BaseException | None = None  #: the exception that the iterable raised
        #: By the ordinal of the row, from 1. The reader of outcomes takes them; for rows that have one.
        self.refs: dict[int, Any] = {}
        self._keeps_refs = keeps_refs
        self._first_open = 1
        self._count = 0

    def handle(self) -> BinaryIO:
        """The stream itself, with the type of a binary file."""
        return cast("BinaryIO", self)

    def close(self) -> None:  # noqa: B027
        """Does nothing: only `end` ends the stream, because any thread may close it."""

    @abstractmethod
    def read(self, size: int = -1) -> bytes:
        """The next lines, or the next part of a long one; b"" at the end."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether more lines are there, or will be soon."""

    @abstractmethod
    async def end(self, reader: Offload) -> None:
        """Stop reading. Called on the loop."""

    def skip_refs(self, first_open: int) -> None:
        """Keep no refs of the rows before `first_open`, which earlier invocations settled."""
        self._first_open = first_open
        self.forget_refs(number for number in list(self.refs) if number < first_open)

    def forget_refs(self, rows: Iterable[int]) -> None:
        for number in rows:
            self.refs.pop(number, None)

    def _line(self, row: object) -> bytes:
        """Encode a row, then count it and note its ref: a row that cannot be encoded is none."""
        values, ref = (row.values, row.ref) if isinstance(row, Row) else (row, None)
        line = encode_row(values) + b"\n"
        self._count += 1
        if self._keeps_refs and ref is not None and self._count >= self._first_open:
            self.refs[self._count] = ref
        return line


class ProgramRows(RowStream):
    """The rows of an iterable. Created and ended on the loop, read once in the reader's thread."""

    def __init__(self, rows: Rows, name: str, *, keeps_refs: bool = False) -> None:
        super().__init__(name, keeps_refs=keeps_refs)
        self._rows = rows
        self._pieces: deque[bytes] = deque()
        self._is_over = False  # the iterable has ended, or has raised
        self._is_dropped = False  # no more rows are wanted
        self._is_asking = False  # the iterable is running in the thread
        self._is_prompt = False  # its last chunk was full before its time limit
        self._context = contextvars.copy_context()
        self._iterator: Iterator[Any] | None = None
        self._chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._lines: list[bytes] = []  # of an async iterable, for its next chunk
        self._ahead = 0  # chunks of an async iterable that wait for the reader
        self._room = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None  # to hand over a chunk that is not full
        self._pump: asyncio.Task[None] | None = None
        if isinstance(rows, AsyncIterable):
            self._loop = asyncio.get_running_loop()
            self._pump = self._loop.create_task(self._pump_rows(rows), context=self._context)

    def read(self, size: int = -1) -> bytes:
        del size
        while not self._pieces and not self._is_over:
            chunk = self._take() if self._pump else self._context.run(self._ask)
            self._is_prompt = len(chunk) >= CHUNK_BYTES
            self._pieces.extend(chunk[at : at + BLOCK_BYTES] for at in range(0, len(chunk), BLOCK_BYTES))
        if self._pieces:
            return self._pieces.popleft()
        if self.error is not None:
            raise SourceError(
                f"{self.name}: the iterable raised {_type(self.error)} after its row {self._count:,}"
            )
        if self._is_dropped:
            raise SourceError(f"{self.name}: the job ended before all rows were read")
        return b""

    def is_ready(self) -> bool:
        """Whether more lines are there, or will be soon, judging by the last ones of a plain iterable."""
        is_next = not self._chunks.empty() if self._pump else self._is_prompt
        return bool(self._pieces) or self._is_over or is_next

    async def end(self, reader: Offload) -> None:
        """Stop reading. Closes the iterable in its thread or task; a blocking one, once it returns."""
        self._is_dropped = True
        if self._pump is not None:
            self._pump.cancel()
            self._chunks.put(b"")
            await asyncio.wait({self._pump})
            if not self._pump.cancelled():
                self._pump.exception()  # it is in `error`
        elif not self._is_asking:
            await reader.run(lambda: self._context.run(self._close))

    def _add(self, row: object, lines: list[bytes]) -> int:
        line = self._line(row)
        lines.append(line)
        return len(line)

    def _fail(self, error: BaseException) -> None:
        self._is_over = True
        if not self._is_dropped:
            self.error = self.error or error

    # a plain iterable, in the reader's thread

    def _ask(self) -> bytes:
        lines: list[bytes] = []
        # In this order: `end` first sets `_is_dropped`, then checks `_is_asking`.
        self._is_asking = True
        try:
            if self._iterator is None:
                self._iterator = iter(cast("Iterable[Any]", self._rows))
            size, until = 0, time.monotonic() + CHUNK_SECONDS
            while size < CHUNK_BYTES and not self._is_dropped:
                row = next(self._iterator, _END)
                if row is _END:
                    self._is_over = True
                    break
                size += self._add(row, lines)
                if time.monotonic() > until:
                    break
        except BaseException as error:  # noqa: BLE001  # passed to the caller in `error`
            self._fail(error)
        finally:
            self._is_asking = False
        if self._is_dropped:
            self._is_over = True
            self._close()
        return b"".join(lines)

    def _close(self) -> None:
        close = getattr(self._iterator, "close", None)
        self._iterator = None
        if callable(close):
            try:
                close()
            except Exception as error:  # noqa: BLE001  # as above
                self.error = self.error or error

    # an async iterable, on the loop

    def _take(self) -> bytes:
        chunk = self._chunks.get()
        if self._is_dropped or not chunk:
            self._is_over = True
            return b""
        self._loop.call_soon_threadsafe(self._note_taken)
        return chunk

    def _note_taken(self) -> None:
        self._ahead -= 1
        self._room.set()

    async def _pump_rows(self, rows: AsyncIterable[object]) -> None:
        """Read all rows in one task, which time limits and task groups in the iterable need."""
        iterator: AsyncIterator[object] | None = None
        try:
            iterator = aiter(rows)
            size = 0
            async for row in iterator:
                if not self._lines:
                    size = 0
                    self._hand_over_later()
                size += self._add(row, self._lines)
                if size >= CHUNK_BYTES:
                    await self._wait_for_room()
                    self._hand_over()
                    await asyncio.sleep(0)
                if self._is_dropped:
                    return
        except BaseException as error:
            self._note(error)
            if not isinstance(error, Exception | asyncio.CancelledError):
                raise  # it may be meant for the whole program
        finally:
            await self._close_async(iterator)
            if not self._is_dropped:
                self._hand_over()
            if self._timer is not None:
                self._timer.cancel()
            self._chunks.put(b"")

    def _note(self, error: BaseException) -> None:
        if not self._is_dropped:
            self.error = self.error or error

    async def _wait_for_room(self) -> None:
        while self._ahead >= _CHUNKS_AHEAD:
            self._room.clear()
            await self._room.wait()

    def _hand_over(self) -> None:
        if self._lines:
            self._chunks.put(b"".join(self._lines))
            self._ahead += 1
            self._lines.clear()

    def _hand_over_later(self) -> None:
        """Hand the chunk over after its time limit, whether or not another row comes."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(CHUNK_SECONDS, self._hand_over_late)

    def _hand_over_late(self) -> None:
        if self._ahead < _CHUNKS_AHEAD:
            self._hand_over()
        elif self._lines:
            self._hand_over_later()

    async def _close_async(self, iterator: AsyncIterator[object] | None) -> None:
        close = getattr(iterator, "aclose", None)
        if callable(close):
            try:
                await close()
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # as above
                self._note(error)


_END = object()
