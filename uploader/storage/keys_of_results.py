"""The keys that most rows of a job have, counted from its results file in bounded memory."""

from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from uploader.errors import CheckpointError
from uploader.model.records import lock_key
from uploader.records.repeated_keys import KeyCount, RepeatedKeys
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.results_file import read_results
from uploader.storage.rows_without_snapshot import results_of

_AT_ONCE = 10_000


def most_repeated_keys(path: Path, checkpoint: Checkpoint) -> list[KeyCount]:
    """The keys that most of the settled rows have, of those that several have; none if they are not known:
    there is no results file in its usual place, or it was changed.
    """
    results, identity, state = results_of(path), checkpoint.identity(), checkpoint.state()
    if results is None or not identity.results:
        return []
    main = str(identity.settings["id_property"])

    def slices() -> Iterator[list[str]]:
        """Lock keys of the rows. A key of another property stands there with its name."""
        lines = read_results(results, state.results)
        while some := list(islice(lines, _AT_ONCE)):
            yield [lock_key(main, line[1]) for line in some if len(line) > 1 and line[1]]

    def count(wanted: Collection[str]) -> Counter[str]:
        return Counter(key for keys in slices() for key in keys if key in wanted)

    found, rows = RepeatedKeys(), 0
    try:
        for keys in slices():
            found.add(keys)
            rows += len(keys)
        found.settle(rows, count)
    except CheckpointError:
        return []
    return found.most_repeated()
