"""What follows the rows of a job, in the order in which it is done."""

from collections.abc import Sequence
from contextlib import ExitStack

from uploader.pipeline.follow_up import FollowUp
from uploader.settings import Settings
from uploader.storage.checkpoint import Checkpoint


def find_follow_ups(
    settings: Settings, checkpoint: Checkpoint | None, stack: ExitStack
) -> Sequence[FollowUp]:
    """What the settings ask for, and what an earlier invocation of the job has begun. SettingsError,
    CheckpointError.

    `checkpoint`: None for a new job; `stack` closes their files.
    """
    del settings, checkpoint, stack
    return ()
