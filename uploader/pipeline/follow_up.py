"""What follows the rows of a job: what it is given, and what the job asks of it.

A follow-up writes to the account what needs the ids of the rows' records. Each has a file of its own beside
the checkpoint, so that it goes on where it was stopped, and knows what it has written.
"""

from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from uploader.hubspot.account import Account
from uploader.hubspot.replies import Reply
from uploader.hubspot.requests import Paths
from uploader.hubspot.transport import Call
from uploader.model.follow_ups import Progress
from uploader.pipeline.requests.attempts import Attempts
from uploader.storage.checkpoint import Checkpoint
from uploader.system.blocking_calls import Offload

#: Waits for tasks that may finish, although the run ends.
Drain = Callable[[Collection[Any]], Awaitable[None]]


class RunWorkers(Protocol):
    """Runs coroutines side by side until all are done, as `Session.run_workers` does."""

    def __call__(
        self, works: Iterable[Coroutine[Any, Any, None]], drain: Drain | None = None
    ) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What a follow-up works with."""

    attempts: Attempts  #: StopRun once the run ends
    paths: Paths
    account: Account
    run_workers: RunWorkers
    wait_for_the_last: Drain  #: for as long as requests in flight may take when the run ends
    ask: Callable[[Call], Awaitable[Reply]]  #: sends one request until there is an answer, or a refusal
    read_scopes: Callable[[], Awaitable[frozenset[str] | None]]  #: of the token; None if it may not
    server_now: Callable[[], datetime]  #: HubSpot's clock
    reader: Offload  #: reads the job's files
    writer: Offload  #: writes the follow-up's own


class FollowUp(Protocol):
    """Something that follows the rows."""

    name: str  #: its key in the summary

    @property
    def progress(self) -> Progress:
        """Its counts, as of its file."""

    @property
    def text(self) -> str:
        """What it does at the moment, for the progress display."""

    async def check(self, tools: Tools) -> Sequence[str]:
        """What it is going to do, a line each, before a row is sent. SettingsError if the account cannot take
        what it writes.
        """

    async def run(self, tools: Tools, checkpoint: Checkpoint) -> None:
        """Do what is left for the rows that are settled. StopRun if it cannot go on; then that stays open.

        Rows may still be open, where the job stops at --limit. When the run ends, it is cancelled
        after the time for requests in flight.
        """

    def write_due_list(self, checkpoint: Checkpoint) -> None:
        """Write its list of a finished job, if it has one that a kill has left unwritten. StorageError."""
