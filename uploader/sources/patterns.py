"""The files that match a pattern. Lists names, opens nothing."""

import fnmatch
import glob
import os
import unicodedata
from collections.abc import Collection, Sequence

from uploader.errors import SourceError
from uploader.sources.names import is_pattern, matches_nothing_of_ours
from uploader.system.same_place import place_of


def is_open_pattern(name: str) -> bool:
    """Whether a name is a pattern, and not the name of an existing file."""
    return is_pattern(name) and not os.path.lexists(name)


def expand(names: Sequence[str], written: Collection[str], *, is_resumed: bool) -> list[str]:
    """Replace each pattern by its files, sorted, each once; without directories and files that jobs write.

    A pattern without a match is an error, unless the job is resumed.
    """
    found: dict[str, None] = {}
    ours = {place_of(path) for path in written}
    for name in names:
        found.update(dict.fromkeys(_matching(name, ours) if is_open_pattern(name) else [name]))
    for name in names:
        if not is_resumed and is_open_pattern(name) and not _matching(name, ours):
            raise SourceError(f"{name}: no file matches this pattern; check the path")
    return list(found)


def _matching(pattern: str, ours: Collection[str]) -> list[str]:
    # macOS may spell letters of names in another way (decomposed) than keyboards.
    spelled = {pattern, *(unicodedata.normalize(form, pattern) for form in ("NFC", "NFD"))}
    found = {path for one in spelled for path in glob.glob(one, recursive=True)}  # noqa: PTH207  # as spelled
    # Sorted by code points: the same order on every machine and in every locale.
    return [
        path
        for path in sorted(found)
        if matches_nothing_of_ours(path) and place_of(path) not in ours and not os.path.isdir(path)  # noqa: PTH112
    ]


def keep_order(names: Sequence[str], found: Sequence[str], before: Sequence[str]) -> Sequence[str] | None:
    """The list of files that a job began with, if the names now match it; else None.

    It includes files that have disappeared, so that opening them fails, and no new ones.
    """
    literal = {_composed(name) for name in names if not is_open_pattern(name)}
    patterns = [_composed(name) for name in names if is_open_pattern(name)]
    if not patterns or not literal <= set(map(_composed, before)):
        return None
    matched = literal.union(map(_composed, found))
    fits = all(
        name in matched or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        for name in map(_composed, before)
    )
    return list(before) if fits else None


def _composed(name: str) -> str:
    """The name with letters as keyboards spell them."""
    return unicodedata.normalize("NFC", name)
