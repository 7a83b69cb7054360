"""Which files a pattern stands for. Names are found here, nothing is opened."""

import fnmatch
import glob
import os
from collections.abc import Collection, Sequence

from uploader.errors import SourceError
from uploader.sources.names import is_pattern, matches_nothing_of_ours


def is_open_pattern(name: str) -> bool:
    """Whether a name stands for other names: one that is a file's own stands for that file."""
    return is_pattern(name) and not os.path.lexists(name)


def expand(names: Sequence[str], written: Collection[str], *, is_resumed: bool) -> list[str]:
    """The files in the place of each pattern, sorted, each once; without directories and what jobs write.

    None may match, where those of the job are known.
    """
    found: dict[str, None] = {}
    ours = {os.path.abspath(path) for path in written}  # noqa: PTH100  # without following links
    for name in names:
        found.update(dict.fromkeys(_matching(name, ours) if is_open_pattern(name) else [name]))
    for name in names:
        if not is_resumed and is_open_pattern(name) and not _matching(name, ours):
            raise SourceError(f"{name}: no file matches this pattern; check the path")
    return list(found)


def _matching(pattern: str, ours: Collection[str]) -> list[str]:
    # Sorted by code points: the same order on every machine, whatever its language.
    return [
        path
        for path in sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  # names as the user wrote them
        if matches_nothing_of_ours(path)
        and os.path.abspath(path) not in ours  # noqa: PTH100
        and not os.path.isdir(path)  # noqa: PTH112
    ]


def keep_order(names: Sequence[str], found: Sequence[str], before: Sequence[str]) -> Sequence[str] | None:
    """The list a job was begun with, if what is named now can stand for it; None where it can't.

    Files that are gone since are in it: opening them says so. New ones are not.
    """
    literal = {name for name in names if not is_open_pattern(name)}
    patterns = [name for name in names if name not in literal]
    known = set(before)
    if not patterns or not literal <= known:
        return None
    fits = all(
        name in literal or name in found or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        for name in before
    )
    return list(before) if fits else None
