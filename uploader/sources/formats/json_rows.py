"""Splits a JSON array into its objects. Each is then decoded like a line of NDJSON.

Rules   An element is a row, numbered from 1. One that is no object, or invalid JSON, is unreadable without
        affecting other rows, if its brackets and quotes are balanced. If they are not, or a comma is missing
        or superfluous, the next element cannot be found: SourceError, after the rows before it.
        The array may be inside an object (`{"results": [...]}`).
How     msgspec splits a stretch of valid elements at once. If it refuses one, our own scanner takes the
        elements of that stretch one by one, so a bad element has no effect beyond its stretch.
        Memory is bounded by a block and the longest element: of a longer one only the beginning is kept.
"""

import re
from collections.abc import Callable, Iterator
from itertools import count

import msgspec

from uploader.errors import SourceError
from uploader.model.rows import Content, Mark, Row, RowSlice, Unreadable
from uploader.sources.bytes.lines import KEPT_BYTES, LINE_BYTES
from uploader.sources.formats.ndjson_rows import NdjsonRows
from uploader.sources.source import SLICE_BYTES, SLICE_ROWS
from uploader.sources.unreadable_reasons import TOO_LONG_ROW

_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING_REST = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_LEAF = rb'[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+"'


def _or_around(inner: bytes) -> bytes:
    return rb"%b|\{(?:%b)*+\}|\[(?:%b)*+\]" % (_LEAF, inner, inner)


#: Up to a bracket with more than two levels inside, or without its end in the data.
_SHALLOW_REST = re.compile(rb"(?:%b)*+" % _or_around(_or_around(_LEAF)), re.DOTALL)
_SCALAR_REST = re.compile(rb"[^\s,\]}]*+")
_GAP = re.compile(rb"[ \t\r\n,]*+")
_ARRAY_OF_OBJECTS = re.compile(rb"\[\s*\{")
_CLOSES = {ord("}"): ord("{"), ord("]"): ord("[")}
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
#: Of a stretch, at least: so many bytes, and so many elements of the size that was met last.
_STRETCH_BYTES, _STRETCH_ELEMENTS = 8 * 1024, 4
#: Closing braces to try, from a stretch's last: that one may close an inner object.
_TRIES = 4

Element = tuple[int, bytes]  #: offset after the element before it, and its bytes


class JsonRows:
    """Decodes one element's bytes."""

    def __init__(self, encoding: str = "") -> None:
        self._inner = NdjsonRows(encoding)

    def content(self, raw: bytes) -> Content:
        return Unreadable(TOO_LONG_ROW) if len(raw) > LINE_BYTES else self._inner.content(raw)


class Elements:
    """The elements from `start` on, which is the array's bracket or the end of an element.

    So reading from there also detects a missing comma.
    """

    def __init__(
        self, contents: Iterator[bytes], start: int, name: str, *, is_first: bool, is_wrapped: bool
    ) -> None:
        self._contents = contents
        self._name = name
        self._is_first = is_first
        self._is_wrapped = is_wrapped
        self._data = b""
        self._at = 0  # the next byte of `_data` to look at
        self._base = start  # offset of the first byte of `_data`
        self._stretch_bytes = _STRETCH_BYTES
        self._singly_until = 0  # offset up to which elements are scanned one by one
        self.end = start  #: the end of the last element

    def __iter__(self) -> Iterator[list[Element]]:
        """The elements, several at a time. SourceError where the array is broken."""
        goes_on = self._open_array() if self._is_first else self._next_begins()
        while goes_on:
            yield self._in_bulk() or [self._scan()]
            goes_on = self._next_begins()
        self._check_tail()

    def _open_array(self) -> bool:
        """Skip the opening bracket; False if the closing one follows."""
        if self._peek() != b"[":
            raise self._broken("an array is expected here")
        self._at += 1
        return self._peek() != b"]"

    @property
    def _offset(self) -> int:
        return self._base + self._at

    def _more(self) -> bool:
        block = next(self._contents, b"")
        self._data, self._base = self._data[self._at :] + block, self._offset
        self._at = 0
        return bool(block)

    def _peek(self) -> bytes:
        """Skip white space; the next byte. SourceError at the end."""
        while True:
            found = _SPACE.match(self._data, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._data):
                return self._data[self._at : self._at + 1]
            if not self._more():
                raise self._broken("the array is not closed")

    def _next_begins(self) -> bool:
        """After an element: skip the comma to the next one; False at the closing bracket."""
        mark = self._peek()
        if mark == b"]":
            return False
        if mark != b",":
            raise self._broken("a comma is expected here")
        self._at += 1
        following = self._peek()
        if following in (b"]", b","):
            raise self._broken("an element is expected after a comma")
        return True

    def _in_bulk(self) -> list[Element]:
        """All elements of a stretch up to some closing brace, if they are valid JSON."""
        if self._offset < self._singly_until:
            return []
        data, at = self._data, self._at
        stop = end = min(at + self._stretch_bytes, len(data))
        for _ in range(_TRIES):
            stop = data.rfind(b"}", at, stop)
            if stop < 0:
                break
            try:
                raws = _ELEMENTS.decode(b"[%b]" % data[at : stop + 1])
            except msgspec.DecodeError:
                continue
            except RecursionError:
                break  # our own scanner does not recurse
            found, place = [], at
            for raw in map(bytes, raws):
                found.append((self.end, raw[:KEPT_BYTES]))
                place = _GAP.match(data, place).end() + len(raw)  # type: ignore[union-attr]  # also nothing
                self.end = self._base + place
            self._at = stop + 1
            return found
        self._singly_until = self._base + end
        return []

    def _scan(self) -> Element:
        """One element, by its brackets and quotes alone."""
        self._peek()
        start, kept = self.end, bytearray()
        first = self._data[self._at]
        if first not in b'{["':
            self._take(_SCALAR_REST, kept)
        else:
            self._scan_nested(kept)
        if len(kept) == 0:
            raise self._broken("an element is expected here")
        self.end = self._offset
        self._stretch_bytes = max(_STRETCH_BYTES, _STRETCH_ELEMENTS * len(kept))
        return start, bytes(kept)

    def _scan_nested(self, kept: bytearray) -> None:
        """Read to the end of an array or object, and check that its brackets match."""
        stack = bytearray()
        while True:
            sign = self._byte(kept)
            if sign == ord('"'):
                self._take(_STRING_REST, kept)
                while self._byte(kept) != ord('"'):  # an incomplete escape at the end of the data
                    self._byte(kept)
                    self._take(_STRING_REST, kept)
            elif sign in _CLOSES:
                if not stack or stack.pop() != _CLOSES[sign]:
                    self._at -= 1
                    raise self._broken(f"a {chr(sign)} has no opening counterpart")
            else:
                stack.append(sign)
                if len(stack) > LINE_BYTES:
                    raise self._broken(f"nested more than {LINE_BYTES:,} levels deep")
            if not stack:
                return
            self._take(_SHALLOW_REST, kept)

    def _byte(self, kept: bytearray) -> int:
        if self._at == len(self._data) and not self._more():
            raise self._broken("the array ends in the middle of an element")
        sign = self._data[self._at]
        self._keep(kept, self._data[self._at : self._at + 1])
        self._at += 1
        return sign

    def _take(self, pattern: re.Pattern[bytes], kept: bytearray) -> None:
        """Skip all that matches, reading more if needed."""
        while True:
            found = pattern.match(self._data, self._at)
            assert found is not None
            self._keep(kept, found[0])
            self._at = found.end()
            if self._at < len(self._data) or not self._more():
                return

    @staticmethod
    def _keep(kept: bytearray, piece: bytes) -> None:
        if len(kept) < KEPT_BYTES:
            kept += piece[: KEPT_BYTES - len(kept)]

    def _check_tail(self) -> None:
        """Check that only the end of a wrapping object follows the array."""
        self._at += 1
        last = b""  # of the bytes seen, without space
        while True:
            rest = self._data[self._at :]
            if self._is_wrapped and _ARRAY_OF_OBJECTS.search(last + rest):
                raise self._broken(
                    "a second array of objects follows the first; put it into a file of its own"
                )
            if stripped := rest.strip():
                last = stripped[-1:]
                if not self._is_wrapped:
                    self._peek()
                    raise self._broken("unexpected text after the array")
            self._at = len(self._data)
            if not self._more():
                break
        if self._is_wrapped and last != b"}":
            raise self._broken("the object around the array is not closed")

    def _broken(self, what: str) -> SourceError:
        return SourceError(
            f"{self._name}: invalid JSON at byte {self._offset:,}: {what}; correct it, or export the file "
            "again"
        )


def cut_elements(
    elements: Elements, start: Mark, reader: JsonRows, is_ready: Callable[[], bool] = lambda: True
) -> Iterator[RowSlice]:
    """Contiguous slices; each ends after its last element. `is_ready`: as in `Lines`."""
    begin, number = start, start.line
    raws: list[bytes] = []
    try:
        for some in elements:
            for offset, raw in some:
                if raws and (len(raws) >= SLICE_ROWS or offset - begin.offset >= SLICE_BYTES):
                    end = Mark(offset, number)
                    yield _slice(raws, begin, end, reader)
                    begin, raws = end, []
                raws.append(raw)
                number += 1
            if raws and not is_ready():
                end = Mark(elements.end, number)
                yield _slice(raws, begin, end, reader)
                begin, raws = end, []
    except SourceError:
        # The rows read before the damage are valid.
        if raws:
            yield _slice(raws, begin, Mark(elements.end, number), reader)
        raise
    if raws:
        yield _slice(raws, begin, Mark(elements.end, number), reader)


def _slice(raws: list[bytes], begin: Mark, end: Mark, reader: JsonRows) -> RowSlice:
    return RowSlice(list(map(Row, count(begin.line), raws, map(reader.content, raws))), begin, end)
