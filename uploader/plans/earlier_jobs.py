"""What the checkpoint of a step tells before the step runs. It is opened for reading only."""

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from uploader.jobs.summary import Summary
from uploader.model.settled_rows import Tallies
from uploader.pipeline.failure_limits import Tolerance
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

    @property
    def is_complete(self) -> bool:
        return self.state == "complete"

    def summary(self, tolerance: Tolerance | None = None) -> Summary:
        if self.is_complete or self.is_running:
            state, reason = "complete" if self.is_complete else "running", ""
        else:
            state, reason = "stopped", self.reason or "killed or interrupted"
        return Summary(self.tallies, state, reason, self.elapsed_seconds, tolerance=tolerance)


def earlier_job(checkpoint: Path) -> EarlierJob | None:
    """The job of a checkpoint; None if there is none. CheckpointError if it can't be read."""
    if not checkpoint.exists():
        return None
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
        state, canary = opened.state(), opened.canary()
        return EarlierJob(
            opened.job_id(),
            state.state,
            opened.identity().portal,
            canary is not None and canary.waits,
            state.tallies,
            state.reason,
            state.elapsed_seconds,
            Lock(checkpoint).is_held(),
        )
