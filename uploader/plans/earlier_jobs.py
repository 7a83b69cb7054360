"""What the checkpoint of a step tells before the step runs. It is opened for reading only."""

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from uploader.canary import planning
from uploader.jobs.follow_ups import find_follow_ups
from uploader.jobs.summary import JobState, Summary
from uploader.model.follow_ups import Progress
from uploader.model.settled_rows import Tallies
from uploader.pipeline.failure_limits import Tolerance
from uploader.settings import Settings
from uploader.storage.checkpoint import Checkpoint
from uploader.system.private_files import Lock


@dataclass(frozen=True, slots=True)
class EarlierJob:
    """The job of a step as its last commit left it."""

    id: str
    state: str
    portal: str
    awaits_approval: bool  #: its canary is sent, and not approved
    tallies: Tallies = field(repr=False)
    reason: str
    elapsed_seconds: float
    is_running: bool  #: a process works on it
    follow_ups: Mapping[str, Progress]  #: what follows the rows; not known while it is running

    @property
    def has_all_rows(self) -> bool:
        """Whether all rows are settled."""
        return self.state == "complete"

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left."""
        return self.has_all_rows and not any(one.open for one in self.follow_ups.values())

    def summary(self, tolerance: Tolerance | None = None) -> Summary:
        if self.is_running or self.is_complete:
            state, reason = JobState.RUNNING if self.is_running else JobState.COMPLETE, ""
        else:
            state, reason = JobState.STOPPED, self.reason or "killed or interrupted"
            reason = NOT_FOLLOWED if self.has_all_rows else reason
        follow_ups = self.follow_ups
        seconds = self.elapsed_seconds
        return Summary(self.tallies, state, reason, seconds, tolerance=tolerance, follow_ups=follow_ups)


#: Why a job whose rows are all settled is not complete.
NOT_FOLLOWED = "what follows the rows, such as links, is not done"


def earlier_job(settings: Settings) -> EarlierJob | None:
    """The job of these settings; None if there is none. CheckpointError if it can't be read."""
    checkpoint = settings.checkpoint_path
    if not checkpoint.exists():
        return None
    is_running = Lock(checkpoint).is_held()
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened, ExitStack() as stack:
        known = [] if is_running else find_follow_ups(settings, opened, stack)
        state, canary = opened.state(), opened.canary()
        return EarlierJob(
            opened.job_id(),
            state.state,
            opened.identity().portal,
            canary is not None and canary.waits,
            state.tallies,
            planning.UNDONE if planning.is_undone(opened) else state.reason,
            state.elapsed_seconds,
            is_running,
            {one.name: one.progress for one in known},
        )
