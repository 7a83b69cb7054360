"""The later jobs that uploaded failed rows of a job, and are verified with it: opened, as far as they count.

A job counts if its rows can be read as it read them, and stand: it is of the same account and type of
records, does not run any more, and was not undone.
"""

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from uploader.errors import CheckpointError, SettingsError, UploaderError
from uploader.jobs.corrected_rows import correcting_jobs
from uploader.jobs.opening import reopen_sources
from uploader.jobs.resume_checks import check_sources, recorded_settings
from uploader.settings import Settings
from uploader.sources.source import Source
from uploader.storage.checkpoint import Checkpoint, Identity
from uploader.system.private_files import Lock
from uploader.undo.undo_file import read_undone


@dataclass(frozen=True, slots=True)
class Correction:
    """A job that uploaded failed rows."""

    settings: Settings
    checkpoint: Checkpoint
    sources: list[Source]

    @property
    def name(self) -> str:
        return ", ".join(source.name for source in self.checkpoint.identity().sources)


def find_corrections(
    checkpoint: Checkpoint, stack: ExitStack, **options: object
) -> tuple[list[Correction], list[str]]:
    """The jobs in the order in which they began, and why others do not count, as lines. `options`: of this
    invocation. The stack closes their checkpoints. Blocks a little.
    """
    identity, found, lines = checkpoint.identity(), list[Correction](), list[str]()
    for path in correcting_jobs(checkpoint):
        opened = stack.enter_context(closing(Checkpoint.open(path, read_only=True)))
        why = _why_not(opened, identity)
        if not why:
            try:
                found.append(_opened(opened, options))
            except UploaderError as error:
                why = str(error)
        if why:
            lines.append(f"the rows of {path.name}, which uploaded failed rows, are left out: {why}")
    return found, lines


def _why_not(opened: Checkpoint, identity: Identity) -> str:
    """Why a job does not count; "" if it does."""
    theirs, path = opened.identity(), opened.path
    if theirs.portal != identity.portal:
        return "it is of another account"
    if theirs.settings["object_type"] != identity.settings["object_type"]:
        return "it wrote other records"
    if Lock(path).is_held():
        return "it is still running"
    return "it was undone" if read_undone(path, opened.job_id()) else ""


def _opened(checkpoint: Checkpoint, options: dict[str, object]) -> Correction:
    """UploaderError if its sources have changed or are gone, or its settings can't be applied any more."""
    identity = checkpoint.identity()
    beside = [checkpoint.path.with_name(Path(source.name).name) for source in identity.sources]
    settings = Settings(
        sources=tuple(map(str, beside)),
        checkpoint=checkpoint.path,
        write_results=False,
        **recorded_settings(identity.settings),
        **options,  # type: ignore[arg-type]  # fields of Settings by name
    )
    if settings.rules.is_searched:
        raise SettingsError("its records were searched for: verify that job itself")
    sources = reopen_sources(settings, identity)
    try:
        check_sources(checkpoint.path.name, identity, sources)
    except CheckpointError as error:
        raise CheckpointError("its source has changed since") from error
    return Correction(settings, checkpoint, sources)
