"""A stream's rows come as it gives them: nobody waits for those that are not written yet."""

import asyncio
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from uploader.edges.sources import given as given_module
from uploader.edges.sources.given import Given
from uploader.edges.sources.open import open_given, open_source

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


def test_what_is_there_at_once_makes_full_slices():
    """Rows in short slices would fill no batches."""
    with pipe(b"".join(lines())) as stream:
        counts = [
            len(one.rows) for one, _ in zip(open_source("-", stdin=stream).slices(), "ab", strict=False)
        ]
    assert counts == [500, 500]


def test_of_an_iterable_that_waits_for_more_all_rows_come_that_it_has_given(monkeypatch):
    monkeypatch.setattr(given_module, "CHUNK_SECONDS", 0.0)  # each row has taken longer
    is_over = asyncio.Event()

    async def rows():
        for number in range(ROWS):
            yield {"email": f"c{number}@example.com", "message": "x" * 300}
        await is_over.wait()

    async def main() -> int:
        given = Given(rows(), "rows")
        source = await asyncio.to_thread(open_given, given)
        try:
            return await asyncio.to_thread(rows_seen, source.slices(), ROWS)
        finally:
            is_over.set()

    assert asyncio.run(main()) == ROWS
