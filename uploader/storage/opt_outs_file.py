"""The list of opt-outs: the addresses of rows that say "opted out", for HubSpot's opt-out import.

A CSV file with one column, an address a line, each once. The checkpoint holds the addresses; the file is
written from them. An address is in both before its row is sent, so that no kill loses one.
"""

import os
from collections.abc import Iterable, Sequence
from itertools import chain, count, islice
from pathlib import Path

from uploader.errors import StorageError
from uploader.storage.checkpoint import Checkpoint
from uploader.system.disk_flush import flush_file
from uploader.system.private_files import create_private
from uploader.system.whole_file import write_whole

#: The column that HubSpot asks for.
HEADER = "Email"
#: Addresses that are written at once.
_BLOCK = 10_000


class OptOutsFile:
    """The list of a job. One thread at a time, the one that commits."""

    def __init__(self, path: Path, checkpoint: Checkpoint) -> None:
        """Write the list of the checkpoint's addresses anew, if it has any. StorageError if that fails."""
        self.path = path
        self._checkpoint = checkpoint
        self._size = 0  # of the file as it should be
        if checkpoint.state().tallies.opt_outs:
            self._write_all()

    def add(self, addresses: Sequence[str]) -> int:
        """Put addresses into the checkpoint and the file, on the disk. Returns how many are listed.

        BusyError if another process locks the checkpoint; then nothing was done.
        """
        added, listed = self._checkpoint.list_opt_outs(addresses)
        if added and not self._append(_lines(added)):
            self._write_all()
        return listed

    def _append(self, data: bytes) -> bool:
        """Whether the lines could be appended; False if the file is not as it was left."""
        if not self._size:
            return False
        try:
            with os.fdopen(create_private(self.path), "r+b") as file:
                if file.seek(0, os.SEEK_END) != self._size:
                    return False
                file.write(data)
                file.flush()
                flush_file(file.fileno())
        except OSError as error:
            raise StorageError(f"cannot write {self.path}: {error.strerror}") from error
        self._size += len(data)
        return True

    def _write_all(self) -> None:
        addresses = self._checkpoint.opt_outs()
        blocks = iter(lambda: _lines(islice(addresses, _BLOCK)), b"")
        write_whole(self.path, chain([_lines([HEADER])], blocks))
        self._size = self.path.stat().st_size


def _lines(texts: Iterable[str]) -> bytes:
    # No address holds a character that CSV would quote.
    return "".join(f"{text}\n" for text in texts).encode()


def put_opt_outs_aside(path: Path) -> None:
    """Rename the list of a job that is begun anew: the new one may lack some of its addresses."""
    if path.exists():
        numbered = (path.with_name(f"{path.name}.{number}") for number in count(1))
        path.rename(next(one for one in numbered if not one.exists()))
