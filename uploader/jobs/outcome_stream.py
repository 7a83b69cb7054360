"""Between a job and the program that follows it row by row: outcomes that are durable, and not yet taken.

An outcome is given out once it stands in the checkpoint: no kill undoes what was seen. A follower that is
slow keeps rows from being read; what waits here does not depend on the sources.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from uploader.errors import CheckpointError, SettingsError
from uploader.jobs.row_outcome import RowOutcome, outcomes_of
from uploader.model.outcomes import DEAD_LETTERS, Outcome
from uploader.model.records import told_key
from uploader.model.settlements import Settlement
from uploader.settings import Settings
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.results_file import Extent, read_results
from uploader.system.blocking_calls import Offload

#: Outcomes that wait, from which on no more rows are read. Those that are read already still come to it.
MOST_WAITING = 2_000
_EARLIER_ROWS = 500
#: A follower that never waits for anything lets others have their turn after so many rows.
_TURN_ROWS = 200


class Follower:
    """One side for the job: `begin`, `room`, `settled`, `end`; the other for whoever follows: `take`."""

    def __init__(self, *, wants_earlier: bool = False) -> None:
        """`wants_earlier`: what earlier invocations have settled comes first."""
        self.waiting = 0  #: rows
        self._wants_earlier = wants_earlier
        self._batches: deque[Iterator[RowOutcome]] = deque()
        self._ended = False
        self._arrived = asyncio.Event()
        self._took = asyncio.Event()
        self._taken = 0

    async def begin(self, settings: Settings, checkpoint: Checkpoint, reader: Offload) -> None:
        """Before any row moves: what is committed stays as it is meanwhile."""
        if not self._wants_earlier:
            return
        path, state = settings.results_path, checkpoint.state()
        if path is None:
            raise SettingsError("the outcomes of earlier invocations need the results file; write one")
        if lack := checkpoint.rows_not_in_results():
            raise CheckpointError(
                f"{path} was begun anew when {lack:,} rows were settled, whose outcomes it does not hold; "
                "run without `earlier`"
            )
        extent = Extent(state.results_bytes, state.results_digest)
        earlier = _earlier(checkpoint, lambda: read_results(path, extent), settings.id_property)
        while rows := await reader.run(lambda: list(islice(earlier, _EARLIER_ROWS))):
            self._put(iter(rows), len(rows))
            await self.room()

    async def room(self, uncommitted: Callable[[], int] = lambda: 0) -> None:
        """Until there is some. `uncommitted`: rows that are settled, and will wait here."""
        while self.waiting + uncommitted() >= MOST_WAITING:
            self._took.clear()
            await self._took.wait()

    def settled(self, names: Sequence[str], main: str, settled: Sequence[Settlement]) -> None:
        """Rows are settled, and that is durable."""
        self._put(outcomes_of(settled, names, main), len(settled))

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._arrived.set()

    def _put(self, outcomes: Iterator[RowOutcome], rows: int) -> None:
        if not rows:
            return
        self._batches.append(outcomes)
        self.waiting += rows
        self._arrived.set()

    async def take(self) -> RowOutcome | None:
        """The next; None when there will be no other. Cancelled, it has taken none."""
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
    """Dead letters from the checkpoint, which knows why; all others from the results file."""
    if not checkpoint.state().tallies.settled:
        return
    names = [source.name for source in checkpoint.identity().sources]
    for letter in checkpoint.dead_letters():
        yield RowOutcome(
            source=names[letter.source],
            row=letter.row,
            key=told_key(letter.key, (letter.closed_value,) if letter.closed_value else (), main),
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
    except ValueError as error:  # no digest tells of a file that an earlier version wrote
        raise CheckpointError("the results file was changed since the job wrote it; put it back") from error
