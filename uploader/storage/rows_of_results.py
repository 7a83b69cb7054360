"""The rows of a results file as values, streamed: key, outcome and, where HubSpot's answer named it, id."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from uploader.errors import CheckpointError
from uploader.model.outcomes import Outcome
from uploader.storage.results_file import Extent, read_results


class ResultRow(NamedTuple):
    """A settled row. Source and row tell it from all others of the job."""

    source: int  #: its index
    row: int  #: `Row.number`
    id_property: str  #: the property of its key
    key: str  #: as it was sent; "" without one
    outcome: Outcome
    hubspot_id: str  #: "" where no answer named it


def rows_of_results(
    path: Path, extent: Extent, names: Sequence[str], keys: Sequence[str]
) -> Iterator[ResultRow]:
    """The committed rows, in the order in which they were settled. CheckpointError if the file is unreadable
    or changed.

    `names`: of the job's sources; `keys`: the properties that rows are matched by, the main one first.
    """
    sources = {name: number for number, name in reversed(list(enumerate(names)))}
    if not extent.size:
        return
    try:
        for row, shown, hubspot_id, outcome, source, *_ in read_results(path, extent):
            name, key = _split(shown, keys)
            yield ResultRow(sources[source], int(row), name, key, Outcome(outcome), hubspot_id)
    except (ValueError, KeyError) as error:  # there is no digest of a file that an earlier version wrote
        raise CheckpointError(f"{path} was changed since the job wrote it; restore the file") from error


def _split(shown: str, keys: Sequence[str]) -> tuple[str, str]:
    """The property of a key and the key alone; the inverse of `display_key`."""
    for name in keys[1:]:
        if shown.startswith(f"{name}="):
            return name, shown[len(name) + 1 :]
    return keys[0], shown
