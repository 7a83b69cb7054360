"""The queue of outcomes between a job and a program that reads them row by row.

An outcome enters once it is committed, so that no kill takes it back. A slow reader stops the job from
reading more rows, so the queue's size does not depend on the sources.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from uploader.errors import CheckpointError, SettingsError
from uploader.jobs.row_outcome import RowOutcome, outcomes_of
from uploader.model.outcomes import DEAD_LETTERS, Outcome
from uploader.model.records import Slice, display_key
from uploader.model.settled_rows import Settlement
from uploader.settings import Settings
from uploader.sources.python_rows import RowStream
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.results_file import read_results
from uploader.system.blocking_calls import Offload

#: With more outcomes waiting, no more rows are read. Rows that are read already may still be added.
MOST_WAITING = 2_000
_EARLIER_ROWS = 500
#: After this many outcomes, other tasks get a turn, even if the reader never waits.
_TURN_ROWS = 200


class OutcomeQueue:
    """The queue between a job and its reader.

    The job calls `add_earlier`, `wait_for_space`, `note_read`, `add_settled` and `end`; the reader calls
    `next_outcome`.
    """

    def __init__(self, given: Sequence[RowStream] = (), *, wants_earlier: bool = False) -> None:
        """`given`: rows whose refs the outcomes get. `wants_earlier`: begin with the outcomes of earlier
        invocations.
        """
        self.waiting = 0  #: number of outcomes
        self._given = {rows.name: rows for rows in given}
        self._refs = {rows.name: rows.refs for rows in given}
        self._wants_earlier = wants_earlier
        self._batches: deque[Iterator[RowOutcome]] = deque()
        self._ended = False
        self._arrived = asyncio.Event()
        self._took = asyncio.Event()
        self._taken = 0

    async def add_earlier(self, settings: Settings, checkpoint: Checkpoint, reader: Offload) -> None:
        """Add the outcomes of earlier invocations. Call it before rows are processed."""
        if not self._wants_earlier:
            return
        path, state = settings.results_path, checkpoint.state()
        if path is None:
            raise SettingsError("earlier=True reads the results file, and this job writes none")
        if lack := checkpoint.rows_not_in_results():
            raise CheckpointError(
                f"{path} was started after {lack:,} rows were settled, so it lacks their outcomes; run "
                "without `earlier`"
            )
        earlier = _earlier(checkpoint, lambda: read_results(path, state.results), settings.id_property)
        while rows := await reader.run(lambda: list(islice(earlier, _EARLIER_ROWS))):
            self._put(iter(rows), len(rows))
            await self.wait_for_space()

    async def wait_for_space(self, uncommitted: Callable[[], int] = lambda: 0) -> None:
        """Wait until fewer than `MOST_WAITING` outcomes wait, with settled but uncommitted rows counted."""
        while self.waiting + uncommitted() >= MOST_WAITING:
            self._took.clear()
            await self._took.wait()

    def note_read(self, source: str, slice_: Slice) -> None:
        """Note rows that were read. Those that earlier invocations settled have no outcome to come."""
        still_open = len(slice_.records) + len(slice_.unsent)
        if source in self._given and still_open < slice_.rows:
            first = slice_.start.line
            numbers = [*(one.row for one in slice_.records), *(one.row for one in slice_.unsent)]
            self._given[source].forget_refs({*range(first, first + slice_.rows)}.difference(numbers))

    def add_settled(self, names: Sequence[str], main: str, settled: Sequence[Settlement]) -> None:
        """Add the outcomes of rows whose settlement is committed."""
        self._put(outcomes_of(settled, names, main, self._refs), len(settled))

    def end(self) -> None:
        """Note that no more outcomes will be added."""
        self._ended = True
        self._arrived.set()

    def _put(self, outcomes: Iterator[RowOutcome], rows: int) -> None:
        if not rows:
            return
        self._batches.append(outcomes)
        self.waiting += rows
        self._arrived.set()

    async def next_outcome(self) -> RowOutcome | None:
        """The next outcome; None after the last one. A cancelled call takes none."""
        self._taken += 1
        if self._taken % _TURN_ROWS == 0:
            await asyncio.sleep(0)
        while True:
            while self._batches:
                outcome = next(self._batches[0], None)
                if outcome is not None:
                    self.waiting -= 1
                    self._took.set()
                    return outcome
                self._batches.popleft()
            if self._ended:
                return None
            self._arrived.clear()
            await self._arrived.wait()


def _earlier(
    checkpoint: Checkpoint, results: Callable[[], Iterator[list[str]]], main: str
) -> Iterator[RowOutcome]:
    """Failed rows from the checkpoint, which has the reasons; all others from the results file."""
    if not checkpoint.state().tallies.settled:
        return
    names = [source.name for source in checkpoint.identity().sources]
    for letter in checkpoint.dead_letters():
        yield RowOutcome(
            source=names[letter.source],
            row=letter.row,
            key=display_key(letter.key, (letter.lock_key,) if letter.lock_key else (), main),
            outcome=Outcome(letter.outcome),
            category=letter.category,
            message=letter.message,
            correlation_id=letter.correlation_id,
            is_earlier=True,
        )
    try:
        # A job that was begun by an earlier version has no notes.
        for row, key, hubspot_id, outcome, source, *_ in results():
            if Outcome(outcome) not in DEAD_LETTERS:
                yield RowOutcome(source, int(row), key, Outcome(outcome), hubspot_id, is_earlier=True)
    except ValueError as error:  # there is no digest of a file that an earlier version wrote
        raise CheckpointError("the results file was changed since the job wrote it; restore it") from error
