"""Distributes entries of one length into buckets on the disk.

The file has no name: no other process can open it, and it disappears with the process, however that ends.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from uploader.errors import SettingsError, StorageError

#: Entries in memory, before they are written. Each costs some 100 bytes.
_HELD = 200_000
_BLOCK_BYTES = 1024 * 1024


class Buckets:
    """Buckets that are filled, then read in the order of entry. One thread at a time."""

    def __init__(self, folder: Path, count: int, entry_bytes: int, held: int = _HELD) -> None:
        """The file is in `folder`, or in the temporary folder if that can't be written."""
        self._file = _unnamed_file(folder)
        self._entry_bytes = entry_bytes
        self._most_held = held
        self._held = 0
        self._lists: list[list[bytes]] = [[] for _ in range(count)]
        self._runs: list[list[tuple[int, int]]] = [[] for _ in range(count)]  # offset and length of each
        self._end = 0
        # A bucket by an entry's first byte.
        self._by_byte = [self._lists[byte % count].append for byte in range(256)]

    def spread(self, entries: Sequence[bytes]) -> None:
        """Add each entry to the bucket of its first byte. StorageError if writing fails."""
        by_byte = self._by_byte
        for entry in entries:
            by_byte[entry[0]](entry)
        self._count(len(entries))

    def put(self, bucket: int, entry: bytes) -> None:
        self._lists[bucket].append(entry)
        self._count(1)

    def _count(self, entries: int) -> None:
        self._held += entries
        if self._held >= self._most_held:
            self._write()

    def _write(self) -> None:
        self._held = 0
        try:
            self._file.seek(self._end)
            for entries, runs in zip(self._lists, self._runs, strict=True):
                if entries:
                    runs.append((self._end, self._file.write(b"".join(entries))))
                    self._end += runs[-1][1]
                    entries.clear()
            self._file.flush()
        except OSError as error:
            raise StorageError(f"no disk space for looking for repeated keys: {error.strerror}") from error

    def __len__(self) -> int:
        return len(self._lists)

    def size_bytes(self, bucket: int) -> int:
        return sum(length for _, length in self._runs[bucket]) + self._entry_bytes * len(self._lists[bucket])

    def blocks(self, bucket: int) -> Iterator[bytes]:
        """A bucket's entries, in blocks of many, in the order of entry. Can be read repeatedly."""
        block_bytes = _BLOCK_BYTES // self._entry_bytes * self._entry_bytes
        for offset, length in self._runs[bucket]:
            for at in range(offset, offset + length, block_bytes):
                self._file.seek(at)
                yield self._file.read(min(block_bytes, offset + length - at))
        if self._lists[bucket]:
            yield b"".join(self._lists[bucket])

    def close(self) -> None:
        self._file.close()


def part_of_bucket(blocks: Iterable[bytes], entry_bytes: int, part: int, parts: int) -> Iterator[bytes]:
    """The entries of one part of a bucket, by their second byte, for a bucket that is too large."""
    for block in blocks:
        if parts == 1:
            yield block
            continue
        entries = (block[at : at + entry_bytes] for at in range(0, len(block), entry_bytes))
        yield b"".join(entry for entry in entries if entry[1] % parts == part)


def _unnamed_file(folder: Path) -> BinaryIO:
    try:
        return tempfile.TemporaryFile(dir=folder)  # closed by `close`
    except OSError:
        pass
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise SettingsError(
            f"cannot create temporary files in {folder} or TMPDIR; choose a writable folder with "
            "--checkpoint-dir"
        ) from error
