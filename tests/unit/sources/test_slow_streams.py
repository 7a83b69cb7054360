"""A stream's rows come as it gives them: nobody waits for those that are not written yet."""

import asyncio
import hashlib
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import BinaryIO, cast

import pytest

from uploader.errors import SourceError
from uploader.model.rows import Mark
from uploader.sources import python_rows as given_module
from uploader.sources.open import open_program_rows, open_source
from uploader.sources.python_rows import ProgramRows
from uploader.sources.source import SLICE_ROWS

ROWS = 1_230
PATIENCE_SECONDS = 20.0
readers: list[threading.Thread] = []


def lines(count: int = ROWS) -> Iterator[bytes]:
    for number in range(count):
        yield b'{"email": "c%d@example.com", "message": "%b"}\n' % (number, b"x" * 300)


@contextmanager
def pipe(content: bytes):
    """Its reading end; the writing end stays open when all is written."""
    reading, writing = os.pipe()

    def write() -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(writing, rest) :]

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    with os.fdopen(reading, "rb", buffering=0) as stream:
        try:
            yield stream
        finally:
            writer.join()
            os.close(writing)
            for reader in readers:
                reader.join()


def rows_seen(slices, wanted: int) -> int:
    """So many as come before the stream has to give more, read in a thread that may be kept waiting."""
    found: queue.SimpleQueue[int] = queue.SimpleQueue()

    def read() -> None:
        with suppress(SourceError):  # a broken end
            for one in slices:
                found.put(len(one.rows))

    readers.append(threading.Thread(target=read, daemon=True))
    readers[-1].start()
    seen = 0
    while seen < wanted:
        try:
            seen += found.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            break
    return seen


def test_of_a_pipe_that_stays_open_all_rows_come_that_were_written():
    with pipe(b"".join(lines())) as stream:
        assert rows_seen(open_source("-", stdin=stream).slices(), ROWS) == ROWS


def test_what_is_there_at_once_makes_full_slices(tmp_path):
    """Rows in short slices would fill no batches. Unlike a pipe, a file has all of its bytes at once."""
    path = tmp_path / "rows.ndjson"
    path.write_bytes(b"".join(lines()))
    with path.open("rb", buffering=0) as stream:
        counts = [len(one.rows) for one in open_source("-", stdin=cast("BinaryIO", stream)).slices()]
    assert counts[:2] == [SLICE_ROWS, SLICE_ROWS]


def test_of_an_iterable_that_waits_for_more_all_rows_come_that_it_has_given(monkeypatch):
    monkeypatch.setattr(given_module, "CHUNK_SECONDS", 0.0)  # each row has taken longer
    is_over = asyncio.Event()

    async def rows():
        for number in range(ROWS):
            yield {"email": f"c{number}@example.com", "message": "x" * 300}
        await is_over.wait()

    async def main() -> int:
        given = ProgramRows(rows(), "rows")
        source = await asyncio.to_thread(open_program_rows, given)
        try:
            return await asyncio.to_thread(rows_seen, source.slices(), ROWS)
        finally:
            is_over.set()

    assert asyncio.run(main()) == ROWS


@pytest.mark.parametrize("row_bytes", [30, 300])
def test_of_an_async_iterable_no_row_waits_for_one_that_does_not_come(row_bytes):
    """Neither the last rows of a burst, nor one that comes alone later."""

    async def main() -> tuple[int, int]:
        may_go, is_over = asyncio.Event(), asyncio.Event()

        async def rows():
            for number in range(ROWS):
                yield {"email": f"c{number}@example.com", "message": "x" * row_bytes}
            await may_go.wait()
            yield {"email": "late@example.com"}
            await is_over.wait()

        given = ProgramRows(rows(), "rows")
        given.head_bytes = 1  # else the beginning is awaited, which identifies the rows
        source = await asyncio.to_thread(open_program_rows, given)
        slices = source.slices()
        found: queue.SimpleQueue[int] = queue.SimpleQueue()
        readers.append(
            threading.Thread(target=lambda: [found.put(len(one.rows)) for one in slices], daemon=True)
        )
        readers[-1].start()

        async def seen(wanted: int) -> int:
            count = 0
            while count < wanted:
                count += await asyncio.to_thread(found.get, timeout=PATIENCE_SECONDS)
            return count

        try:
            burst = await seen(ROWS)
            may_go.set()
            return burst, await seen(1)
        finally:
            is_over.set()

    assert asyncio.run(main()) == (ROWS, 1)


@pytest.mark.parametrize(
    ("head", "line", "odd"),
    [
        (b"email,message\n", b"a@x.com,%b\n" % (b"z" * 90), b"b@x.com\n"),  # a short row
        (b"email\n", b"a%b@x.com\n" % (b"z" * 90), b"b@x.com\n"),
        (b"", b'{"email": "a@x.com", "message": "%b"}\n' % (b"z" * 90), b"\n"),
        (b"[", b'{"email": "a@x.com", "message": "%b"},' % (b"z" * 90), b""),
    ],
    ids=["CSV with a short row", "CSV of one column", "NDJSON with a blank line", "a JSON array"],
)
def test_odd_rows_delay_no_other_row(head, line, odd):
    with pipe(head + line * 700 + odd + line * 3) as stream:
        wanted = 703 + odd.startswith(b"b")
        assert rows_seen(open_source("-", stdin=stream).slices(), wanted) == wanted


class Chunked:
    """A pipe that gives so many bytes at a time."""

    def __init__(self, content: bytes, *sizes: int) -> None:
        ends = [*accumulate(sizes), len(content)]
        self._chunks = [content[begin:end] for begin, end in pairwise([0, *ends])]

    def read(self, _: int) -> bytes:
        return self._chunks.pop(0) if self._chunks else b""

    def close(self) -> None:
        pass


def test_what_a_stream_is_taken_for_does_not_depend_on_how_it_comes():
    """Rows are identified by their place: cut in another way, a resumed job would take one for another.

    In the first 64 KB ids are too often no numbers to tell a row by; in what is behind they are numbers.
    """
    lines = ["id,note,tag"]
    lines += [f"{'x' * (number % 8 == 0)}{number},{'n' * 88},t" for number in range(1, 641)]
    lines += [f"{number},{'n' * 88},t" for number in range(641, 2_400)]
    lines += ['2400,"stray,t', "hello world", "2402,x,y", 'closing",t']
    lines += [f"{number},ok,t" for number in range(2_404, 2_420)]
    content = "".join(f"{line}\n" for line in lines).encode()

    def rows(*sizes: int):
        slices = open_source("-", stdin=cast("BinaryIO", Chunked(content, *sizes))).slices()
        return [(row.number, row.content) for one in slices for row in one.rows]

    assert rows(65_536, 65_536) == rows(60_000) == rows(100, 80_000) == rows()


def test_a_known_place_inside_an_endless_line_is_known_again():
    content = b'{"email": "a@x.com"}\n' + b'{"email": "b@x.com", "message": "%b"}\n' % (b"x" * 9_000_000)
    content += b'{"email": "c@x.com"}\n' * 3
    within = Mark(1_000_000, 2, hashlib.sha256(content[:1_000_000]).hexdigest())

    def read(known: Mark) -> int:
        stream = cast("BinaryIO", Chunked(content, *[200_000] * 40))
        return sum(len(one.rows) for one in open_source("-", stdin=stream).slices(known=[known]))

    assert read(within) == 5
    with pytest.raises(SourceError, match="differ from those that the job has read"):
        read(replace(within, digest="0" * 64))
