"""What follows the rows of a job, in the order in which it is done."""

from collections.abc import Sequence
from contextlib import ExitStack

from uploader.associations.run import LinksFollowUp
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
    found: list[FollowUp] = []
    has_links = checkpoint is not None and checkpoint.has_links_file()
    if settings.associations or has_links:
        links = LinksFollowUp(settings)
        stack.callback(links.close)
        if checkpoint is not None and has_links:
            links.open(checkpoint.job_id())
        found.append(links)
    return found
