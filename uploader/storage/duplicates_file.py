"""The file of rows that share a key, over all sources. It is kept as long as the checkpoint beside it.

It holds positions and row numbers of repeated rows only, and is memory-mapped, so memory does not depend on
their number. Its first line names the job.
"""

import mmap
import os
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

import orjson

from uploader.errors import StorageError
from uploader.model.records import Record, Unsent
from uploader.records.duplicates import ENTRY, Keyed, OnDuplicate, Repeat, digests, find_repeats, judge
from uploader.system.disk_buckets import Buckets, part_of_bucket
from uploader.system.disk_flush import flush_file
from uploader.system.private_files import create_private, open_plain

BUCKETS = 256
#: The part of a bucket in memory at once; digests in memory take about five times as much.
_PART_BYTES = 16 * 1024 * 1024
_REPEAT = Struct(">QQQQ")
#: Positions in one bucket, while repeats are sorted.
_STRETCH = 65_536
_HEAD_BYTES = 4_096


class KeySorter:
    """Collects the key of every row, then finds the repeated ones. One thread at a time."""

    def __init__(
        self,
        folder: Path,
        rule: OnDuplicate = OnDuplicate.IN_ORDER,
        buckets: int = BUCKETS,
        part_bytes: int = _PART_BYTES,
    ) -> None:
        """`folder`: for its unnamed file. StorageError, also from the methods, if writing fails."""
        self.longest = 0  #: the largest number of rows with one key, found so far; 0: none is repeated
        self._rule = rule
        self._buckets = Buckets(folder, buckets, ENTRY.size)
        self._part_bytes = part_bytes

    def add(self, keyed: Keyed) -> None:
        self._buckets.spread(keyed.entries())

    def repeats(self) -> Iterator[list[Repeat]]:
        """The repeated rows, unordered, in one list or more for each bucket (most are empty)."""
        for bucket in range(len(self._buckets)):
            parts = 1 + self._buckets.size_bytes(bucket) // self._part_bytes
            for part in range(parts):
                yield from self._of(bucket, part, parts)

    def _of(self, bucket: int, part: int, parts: int) -> Iterator[list[Repeat]]:
        """The repeated rows of one part of a bucket."""

        def entries() -> Iterator[bytes]:
            return part_of_bucket(self._buckets.blocks(bucket), ENTRY.size, part, parts)

        found = []
        rows: Counter[int] = Counter()  # by the position that all repeats of a key name
        for repeat in find_repeats(entries, self._rule):
            found.append(repeat)
            rows[repeat.other_position] += 1
            if len(found) == _STRETCH:
                yield found
                found = []
        self.longest = max([self.longest, *(1 + count for count in rows.values())])
        yield found

    def count(self, keys: Collection[str]) -> dict[str, int]:
        """How many rows have each of some lock keys."""
        sought: defaultdict[int, dict[bytes, str]] = defaultdict(dict)
        for key, digest in zip(keys, digests(keys), strict=True):
            sought[digest[0] % len(self._buckets)][digest] = key
        counts = dict.fromkeys(keys, 0)
        for bucket, keys_of in sought.items():
            for block in self._buckets.blocks(bucket):
                for digest, _, _ in ENTRY.iter_unpack(block):
                    if digest in keys_of:
                        counts[keys_of[digest]] += 1
        return counts

    def close(self) -> None:
        self._buckets.close()


class RepeatsWriter:
    """Writes the file of repeated rows, ordered by position. They may be added in any order."""

    def __init__(self, path: Path, rows: int) -> None:
        """`rows`: the number of rows of all sources."""
        self._path = path
        self._buckets = Buckets(path.parent, 1 + rows // _STRETCH, _REPEAT.size)

    def add(self, repeats: list[Repeat]) -> None:
        for repeat in repeats:
            self._buckets.put(repeat.position // _STRETCH, _REPEAT.pack(*repeat))

    def finish(self, job: str, starts: list[int]) -> None:
        """Write the file. `job`: the job's id; `starts`: the position of each source's first row."""
        draft = self._path.with_name(f"{self._path.name}.new")
        head = orjson.dumps({"job": job, "starts": starts})
        head = head.ljust(-(-(len(head) + 1) // _HEAD_BYTES) * _HEAD_BYTES - 1) + b"\n"
        try:
            with os.fdopen(create_private(draft, truncate=True), "wb") as file:
                file.write(head)
                for bucket in range(len(self._buckets)):
                    entries = b"".join(self._buckets.blocks(bucket))
                    size = _REPEAT.size
                    file.writelines(sorted(entries[at : at + size] for at in range(0, len(entries), size)))
                file.flush()
                flush_file(file.fileno())
            draft.rename(self._path)
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from error

    def close(self) -> None:
        self._buckets.close()


class Repeats:
    """The repeated rows of a job, ordered by position."""

    def __init__(self, path: Path, names: list[str]) -> None:
        """`names`: the sources' names. StorageError if the file can't be read."""
        self._names = names
        try:
            with open_plain(path) as file:
                head = file.readline()
                self._starts: list[int] = orjson.loads(head)["starts"]
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(f"cannot read {path} ({error}); remove it") from error
        self._from = len(head)
        self._count = (len(self._map) - self._from) // _REPEAT.size

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Repeat:
        if not 0 <= index < self._count:
            raise IndexError(index)
        return Repeat(*_REPEAT.unpack_from(self._map, self._from + index * _REPEAT.size))

    def among(self, first: int, stop: int) -> dict[int, Repeat]:
        """The repeated rows with positions in [first, stop)."""
        found = {}
        for index in range(self._index(first), self._count):
            repeat = self[index]
            if repeat.position >= stop:
                break
            found[repeat.position] = repeat
        return found

    def _index(self, position: int) -> int:
        return bisect_left(range(self._count), position, key=lambda index: self[index].position)

    def other(self, repeat: Repeat, source: int) -> str:
        """The text that names the other row, for a message about a row of `source`."""
        there = source_of(repeat.other_position, self._starts)
        return f"row {repeat.other_number}" + (f" of {self._names[there]}" if there != source else "")

    def close(self) -> None:
        self._map.close()


def source_of(position: int, starts: list[int]) -> int:
    """The index of the source that has a position; sources without rows have none."""
    return max(index for index, start in enumerate(starts) if start <= position)


def belongs(path: Path, job: str) -> bool:
    """Whether the file exists and is this job's."""
    try:
        with open_plain(path) as file:
            head = file.readline()
        return bool(orjson.loads(head)["job"] == job)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def remove(path: Path) -> None:
    for name in (path.name, f"{path.name}.new"):
        path.with_name(name).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The rows that share a key, and the rule for them."""

    repeats: Repeats
    rule: OnDuplicate

    def among(self, first: int, stop: int) -> dict[int, Repeat]:
        """The rows with positions in [first, stop) that the rule does not write."""
        found = self.repeats.among(first, stop)
        if self.rule is OnDuplicate.REJECT:
            return found
        is_last = self.rule is OnDuplicate.LAST
        return {position: repeat for position, repeat in found.items() if repeat.comes_before == is_last}

    def judge(self, mapped: Record | Unsent, repeat: Repeat) -> Record | Unsent:
        return judge(mapped, repeat, self.rule, self.repeats.other(repeat, mapped.source))
