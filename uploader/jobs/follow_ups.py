"""What follows the rows of a job, in the order in which it is done.

What a job does not have is not imported: most jobs have neither links nor a list, and start sooner.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing

from uploader.model.associations import KnownRecords
from uploader.model.follow_ups import LINKS, RECORD_LIST, Progress
from uploader.pipeline.follow_up import FollowUp
from uploader.settings import Settings
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import links_list_path, list_path


def find_follow_ups(
    settings: Settings,
    checkpoint: Checkpoint | None,
    stack: ExitStack,
    known_records: Sequence[KnownRecords] = (),
) -> Sequence[FollowUp]:
    """What the settings ask for, and what an earlier invocation of the job has begun. SettingsError,
    CheckpointError.

    `checkpoint`: None for a new job; `stack` closes their files. `known_records`: need not be looked up.
    """
    found: list[FollowUp] = []
    has_links = checkpoint is not None and checkpoint.has_links_file()
    if settings.associations or has_links:
        from uploader.associations.run import LinksFollowUp  # noqa: PLC0415  # as above

        links = LinksFollowUp(settings, known_records)
        stack.callback(links.close)
        if checkpoint is not None and has_links:
            links.open(checkpoint.job_id())
        found.append(links)
    if settings.add_to_list or (checkpoint is not None and list_path(settings.checkpoint_path).exists()):
        from uploader.lists.addition import find_list_addition  # noqa: PLC0415  # as above

        found += find_list_addition(settings, checkpoint, stack)
    return found


def read_progress(checkpoint: Checkpoint) -> Mapping[str, Progress]:
    """How far each of them is, by its name in the summary, as of its file. The job may be running."""
    found: dict[str, Progress] = {}
    if checkpoint.has_links_file():
        from uploader.associations.link_progress import read_link_progress  # noqa: PLC0415  # as above

        with closing(AssociationsFile(checkpoint.path)) as links:
            links.open(checkpoint.job_id(), read_only=True)
            listed = links_list_path(checkpoint.path)
            name = listed.name if listed.exists() else ""
            found[LINKS] = read_link_progress(links, listed_in=name)
    if list_path(checkpoint.path).exists():
        from uploader.storage.list_file import ListFile  # noqa: PLC0415  # as above

        with closing(ListFile(checkpoint.path)) as file:
            if file.open(read_only=True) and file.about["job"] == checkpoint.job_id():
                found[RECORD_LIST] = file.progress(checkpoint.state().tallies.settled)
    return found
