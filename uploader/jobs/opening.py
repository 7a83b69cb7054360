"""Opening a job: its sources, its lock, its checkpoint, results file and snapshot.

Raise `SourceError` or `CheckpointError`, one line each, before anything is changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from uploader.errors import CheckpointError
from uploader.hubspot.account import Account
from uploader.hubspot.object_types import type_id
from uploader.hubspot.schema import Kind
from uploader.jobs.column_rules import overwriting_rules, resolve_mappers
from uploader.jobs.resume_checks import check_count, check_settings, check_sources, identity_of
from uploader.model.associations import KnownRecords
from uploader.model.canary import Canary
from uploader.model.settings_periods import may_have_snapshot
from uploader.records.mapper import Mapper
from uploader.records.write_policy import WritePolicy
from uploader.settings import Settings
from uploader.settings.output import OutputSettings
from uploader.sources.detect import FORMATS
from uploader.sources.open import open_program_rows, open_source
from uploader.sources.patterns import expand, is_open_pattern, keep_order
from uploader.sources.python_rows import RowStream
from uploader.sources.source import Source
from uploader.storage import duplicates_file, snapshot
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint, Identity
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.storage.created_records_file import CreatedRecordsFile
from uploader.storage.duplicates_file import Duplicates
from uploader.storage.file_names import (
    associations_path,
    duplicates_path,
    keys_of_one_contact_path,
    list_path,
    snapshot_path,
)
from uploader.storage.keys_of_one_contact_file import KeysOfOneContactFile
from uploader.storage.opt_outs_file import OptOutsFile, put_opt_outs_aside
from uploader.storage.results_file import HEADER, Extent, ResultsFile, is_unchanged, put_results_aside
from uploader.storage.rows_without_snapshot import save_rows_without_snapshot
from uploader.storage.snapshot import SnapshotFile
from uploader.system import filesystem_of_path
from uploader.system.mounts import StorageKind
from uploader.system.private_files import Lock, open_plain
from uploader.system.sqlite import remove_database


class FoundJob(NamedTuple):
    """The job as found on disk, before the first request to HubSpot."""

    sources: list[Source]
    lock: Lock
    checkpoint: Checkpoint | None  #: None for a new job
    state: State  #: as of the checkpoint's last commit
    rows_not_in_results: int  #: rows that were settled before its results file was begun anew

    @property
    def in_doubt_below(self) -> int:
        """Open rows before it may have been sent by earlier invocations."""
        return max(self.state.in_doubt_below, self.lock.noted)

    @property
    def may_be_sent(self) -> bool:
        return bool(self.lock.noted) or self.state.may_be_sent


@dataclass(slots=True)
class Job:
    """An opened job: its settings, its sources, and its files."""

    settings: Settings
    sources: list[Source]
    mappers: list[Mapper]
    checkpoint: Checkpoint
    results: ResultsFile | None
    keys_file: KeysOfOneContactFile
    account: Account
    columns: frozenset[str]  #: properties that are columns of every source
    identity: Identity
    overwriting: WritePolicy
    snapshot: SnapshotFile | None
    lock: Lock
    id: str
    rows_not_in_results: int  #: rows that were settled before the results file was begun anew
    opt_outs: OptOutsFile | None = None  #: None where opt-outs are not listed
    associations: AssociationsFile | None = None  #: None where no row has links to other records
    created: CreatedRecordsFile | None = None  #: None where keys are unique
    created_by_others: Sequence[CreatedRecordsFile] = ()  #: by other jobs of a plan, of the same type
    duplicates: Duplicates | None = None  #: None where rows of one key are written in order

    @property
    def reads_first(self) -> bool:
        """Whether contacts are read before they are written."""
        return self.settings.reads_first

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The kinds of the account's properties, by name; empty if the schema is not known."""
        return self.account.schema.kinds if self.account.schema else {}


def total_bytes(sources: Sequence[Source]) -> int | None:
    """The size of all sources together in bytes; None if one is not known."""
    sizes = [source.size_bytes for source in sources if source.size_bytes is not None]
    return sum(sizes) if len(sizes) == len(sources) else None


def open_sources(settings: OutputSettings, given: Sequence[RowStream] = ()) -> list[Source]:
    """Open the sources in reading order. A pattern stands for the files that the job was begun with."""
    rows = {one.name: one for one in given}
    return [
        open_program_rows(rows[path])
        if path in rows
        else open_source(
            path,
            format=settings.format,
            delimiter=settings.delimiter,
            encoding=settings.encoding,
            sheet=settings.sheet,
            query=settings.query,
            refuses_unfinished=not settings.accept_unfinished_last_line,
        )
        for path in find_source_names(settings)
    ]


def reopen_sources(settings: OutputSettings, known: Identity) -> list[Source]:
    """Open a job's sources where they are now, in the formats recorded when the job began."""
    names = find_source_names(settings)
    check_count(settings.checkpoint_path.name, known, len(names))
    return [
        open_source(
            name,
            format=next((kind for kind in FORMATS if kind == before.shape.format), None),
            delimiter=before.shape.delimiter or None,
            encoding=before.shape.encoding or None,
            sheet=before.shape.sheet or None,
            query=before.shape.query or None,
        )
        for name, before in zip(names, known.sources, strict=True)
    ]


def find_source_names(settings: OutputSettings) -> Sequence[str]:
    """The names of the sources, with patterns replaced by files: those in the checkpoint if there is one."""
    if not any(map(is_open_pattern, settings.sources)):
        return settings.sources
    found = expand(settings.sources, _own_files(settings), is_resumed=settings.checkpoint_path.exists())
    if settings.restart or not settings.checkpoint_path.exists():
        return found
    checkpoint = Checkpoint.open(settings.checkpoint_path, read_only=True)
    try:
        before = [source.name for source in checkpoint.identity().sources]
    finally:
        checkpoint.close()
    return keep_order(settings.sources, found, before) or found


def find_new_files(settings: OutputSettings, sources: Sequence[Source]) -> list[str]:
    """Files that match a pattern now and are not sources of the job."""
    if not any(map(is_open_pattern, settings.sources)):
        return []
    named = {source.name for source in sources}
    return [
        name for name in expand(settings.sources, _own_files(settings), is_resumed=True) if name not in named
    ]


def _own_files(settings: OutputSettings) -> list[str]:
    return [str(path) for path in (settings.checkpoint_path, settings.results_path) if path]


def check_checkpoint_place(settings: OutputSettings) -> str | None:
    """A warning about the file system of the checkpoint, or None. CheckpointError if it can't be used."""
    path = settings.checkpoint_path
    storage, kind = filesystem_of_path.find_storage(path)
    if storage is StorageKind.OBJECTS:
        raise CheckpointError(
            f"{path} would be in an object store ({kind}), which supports neither locks nor partial writes; "
            "choose a folder on a disk with --checkpoint-dir"
        )
    if storage is StorageKind.NETWORK:
        return (
            f"the checkpoint is on a network file system ({kind}), whose locks may not work between "
            "machines: run this job on one machine only, or choose a folder on a local disk with "
            "--checkpoint-dir"
        )
    return None


def find_job(settings: OutputSettings, sources: list[Source], stack: ExitStack) -> FoundJob:
    """Take the job's lock and find its checkpoint. From here on no other process can work on the job."""
    lock = Lock(settings.checkpoint_path)
    lock.acquire()
    stack.callback(lock.release)
    checkpoint = _find_checkpoint(settings, sources, stack)
    if checkpoint is None:
        return FoundJob(sources, lock, None, State(), 0)
    return FoundJob(sources, lock, checkpoint, checkpoint.state(), checkpoint.rows_not_in_results())


def _find_checkpoint(
    settings: OutputSettings, sources: Sequence[Source], stack: ExitStack
) -> Checkpoint | None:
    """Open the checkpoint of a job begun before, checked against the sources but not the settings."""
    path, results, opt_outs = settings.checkpoint_path, settings.results_path, settings.opt_outs_path
    _refuse_sources(settings)
    if settings.restart:
        _refuse_foreign(path, results)
        _refuse_namesake(settings, sources)
        return None
    if not path.exists():
        if results and results.exists():
            raise CheckpointError(
                f"there is a results file {results} but no checkpoint {path}: "
                "put the checkpoint back, move the results away, or start over with --restart"
            )
        if opt_outs and opt_outs.exists():
            raise CheckpointError(
                f"there is a list of opt-outs {opt_outs} but no checkpoint {path}: import the list in "
                "HubSpot and move it away, put the checkpoint back, or start over with --restart, which "
                "renames it"
            )
        if (links := associations_path(path)).exists():
            raise CheckpointError(
                f"there is the file of links {links}, which the undo of an earlier job needs, but no "
                f"checkpoint {path}: put the checkpoint back, move the file away, or start over with "
                "--restart, which renames it"
            )
        return None
    checkpoint = Checkpoint.open(path)
    stack.callback(checkpoint.close)
    known = checkpoint.identity()
    check_sources(path.name, known, sources)
    if known.results != (results is not None):
        has = "with" if known.results else "without"
        raise CheckpointError(
            f"{path} was started {has} a results file; continue that way, or start over with --restart"
        )
    return checkpoint


def open_job(
    found: FoundJob, settings: Settings, account: Account, stack: ExitStack, canary: Canary | None
) -> Job:
    """Open all files of a job. The checkpoint of a new job is created here, with its `canary`."""
    sources = found.sources
    mappers = resolve_mappers(settings, sources, account)
    columns = [mapper.columns for mapper in mappers]
    overwriting = overwriting_rules(settings, sources, account)
    identity = identity_of(settings, sources, columns, account)
    checkpoint = found.checkpoint or _create_checkpoint(found, settings, identity, canary, stack)
    results = _open_results(settings, sources, checkpoint, stack)
    if found.checkpoint is not None:
        _check_settings(settings, checkpoint, identity, found)
    checkpoint.note_repeated_options(settings.repeated_options)
    keys_file = KeysOfOneContactFile(settings.checkpoint_path)
    stack.callback(keys_file.close)
    carried = [frozenset(resolved.names.values()) if resolved else frozenset[str]() for resolved in columns]
    job = Job(
        settings,
        sources,
        mappers,
        checkpoint,
        results,
        keys_file,
        account,
        frozenset.union(*carried) | settings.constants.keys(),
        identity,
        overwriting,
        _open_snapshot(settings, checkpoint, stack),
        found.lock,
        checkpoint.job_id(),
        checkpoint.rows_not_in_results(),
        OptOutsFile(settings.opt_outs_path, checkpoint) if settings.opt_outs_path else None,
        _open_associations(settings, checkpoint, stack),
        _open_created(settings, stack, is_new=found.checkpoint is None),
    )
    if found.checkpoint is None:
        found.lock.forget()
    return job


def _create_checkpoint(
    found: FoundJob, settings: Settings, identity: Identity, canary: Canary | None, stack: ExitStack
) -> Checkpoint:
    """Create the checkpoint of a new job, after removing what a former job left."""
    path = settings.checkpoint_path
    if settings.restart:
        _discard_job(settings, found.in_doubt_below)
    remove_database(keys_of_one_contact_path(path))
    duplicates_file.remove(duplicates_path(path))
    checkpoint = Checkpoint.create(path, identity, canary)
    stack.callback(checkpoint.close)
    return checkpoint


def _check_settings(settings: Settings, checkpoint: Checkpoint, identity: Identity, found: FoundJob) -> None:
    """CheckpointError if the settings differ from those of the job that is resumed."""
    in_doubt_below = found.in_doubt_below
    was_kept = may_have_snapshot(checkpoint.periods(in_doubt_below))
    check_settings(settings, checkpoint, identity, in_doubt_below, may_be_sent=found.may_be_sent)
    if was_kept and not snapshot_path(checkpoint.path).exists():
        checkpoint.note_missing_snapshot(in_doubt_below)  # a new snapshot would pass for a complete one


def _open_results(
    settings: Settings, sources: Sequence[Source], checkpoint: Checkpoint, stack: ExitStack
) -> ResultsFile | None:
    path = settings.results_path
    if path is None:
        return None
    extent = checkpoint.state().results
    if settings.accept_changed_results and extent.size and not is_unchanged(path, extent):
        settled, aside = checkpoint.state().tallies.settled, put_results_aside(path)
        what = f"was changed, and has been renamed to {aside.name}" if aside else "was missing"
        checkpoint.restart_results(settled, f"the results file {path.name} {what}; a new one was started")
        extent = Extent()
    results = ResultsFile(path, extent, [source.name for source in sources], settings.id_property)
    stack.callback(results.close)
    return results


def _open_created(settings: Settings, stack: ExitStack, *, is_new: bool) -> CreatedRecordsFile | None:
    if not settings.rules.is_searched:
        return None
    file = CreatedRecordsFile(settings.checkpoint_path)
    stack.callback(file.close)
    if is_new:
        file.doubt_all()
    return file


def open_created_by_others(
    settings: Settings, known: Sequence[KnownRecords], stack: ExitStack
) -> Sequence[CreatedRecordsFile]:
    """What other jobs have created by the same property. `known`: their records."""
    same = (type_id(settings.object_type), settings.id_property)
    return [
        stack.enter_context(closing(CreatedRecordsFile(Path(one.checkpoint), read_only=True)))
        for one in known
        if settings.rules.is_searched
        and (type_id(one.object_type), one.by) == same
        and Path(one.checkpoint) != settings.checkpoint_path
    ]


def _open_snapshot(settings: Settings, checkpoint: Checkpoint, stack: ExitStack) -> SnapshotFile | None:
    if not settings.snapshot:
        return None
    about = {
        "job": checkpoint.job_id(),
        "portal": checkpoint.identity().portal,
        "object_type": settings.object_type,
    }
    file = SnapshotFile(settings.checkpoint_path, about)
    stack.callback(file.close)
    return file


def _open_associations(
    settings: Settings, checkpoint: Checkpoint, stack: ExitStack
) -> AssociationsFile | None:
    """Open the file of links, also for those of settled rows by settings that were changed since."""
    if not settings.associations and not checkpoint.has_links_file():
        return None
    file = AssociationsFile(checkpoint.path)
    stack.callback(file.close)
    job, account = checkpoint.job_id(), (checkpoint.identity().portal, settings.object_type)
    if checkpoint.has_links_file():
        file.open(job)
        file.note_account(*account)  # an earlier token may not have read it
        file.note_columns(settings.associations)
        file.forget_open(checkpoint.state().progress)
        return file
    number = snapshot.free_number(*_kept(checkpoint.path))
    snapshot.put_aside(file.path, number=number)  # of another job, or nothing is in it
    file.create({"job": job, "portal": account[0], "object_type": account[1]}, settings.associations)
    checkpoint.note_links_file()
    return file


def _refuse_sources(settings: OutputSettings) -> None:
    """CheckpointError if an output file is a source under another name, such as a link."""
    paths = (
        settings.checkpoint_path,
        settings.results_path,
        settings.links_path,
        settings.opt_outs_path,
    )
    written = [path for path in paths if path and path.exists()]
    for source in settings.sources:
        for path in written:
            if settings.is_file(source) and not is_open_pattern(source) and path.samefile(source):
                raise CheckpointError(f"{path} is the source {source}; choose another path")


def _refuse_foreign(checkpoint: Path, results: Path | None) -> None:
    """CheckpointError if --restart would remove a file that is not uploader's, by its name or content."""
    with _translating_os_errors(checkpoint):
        is_foreign = checkpoint.suffix != ".checkpoint" and checkpoint.exists()
        if is_foreign and not Checkpoint.is_checkpoint(checkpoint):
            raise CheckpointError(
                f"{checkpoint} is not a checkpoint of uploader; if it is not needed, remove it yourself"
            )
    if results and results.exists() and not results.name.endswith(".results.csv"):
        with _translating_os_errors(results), open_plain(results) as file:
            if not file.readline(200).startswith(",".join(HEADER[:-1]).encode()):
                raise CheckpointError(
                    f"{results} is not a results file of uploader; if it is not needed, remove it yourself"
                )


@contextmanager
def _translating_os_errors(path: Path) -> Iterator[None]:
    """Raise an OSError within as a CheckpointError that names the path."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"cannot use {path}: {error.strerror}") from error


def _refuse_namesake(settings: OutputSettings, sources: Sequence[Source]) -> None:
    """CheckpointError if --restart would remove the checkpoint of another source.

    In a --checkpoint-dir, sources of the same name from different folders have the same checkpoint path.
    """
    path = settings.checkpoint_path
    if settings.checkpoint_dir is None or not path.exists():
        return
    try:
        checkpoint = Checkpoint.open(path, read_only=True)
    except CheckpointError:
        return  # a damaged checkpoint may be replaced
    try:
        (before, *_), now = checkpoint.identity().sources, sources[0]
    finally:
        checkpoint.close()
    if before.fingerprint != now.fingerprint and not _is_same(before.name, now.name):
        raise CheckpointError(
            f"{path} is the checkpoint of {before.name}, which --restart of {now.name} would delete; choose "
            "another --checkpoint-dir, or remove it yourself"
        )


def _is_same(before: str, now: str) -> bool:
    return before == now or Path(before).absolute() == Path(now).absolute()


def former_links_text(checkpoint: Path) -> str:
    """How the links of a job that is about to be started over can be taken back; "" if it has made none."""
    with suppress(CheckpointError), _former_links(checkpoint) as (_, links):
        if made := links.made():
            number = snapshot.free_number(*_kept(checkpoint))
            named = snapshot_path(checkpoint) if snapshot_path(checkpoint).exists() else links.path
            return (
                f"the former job has made {made:,} links, which stay: to take them back, give "
                f"{named.name}{number} to `undo`"
            )
    return ""


def _note_account_of_links(checkpoint: Path) -> None:
    """Note with the links of a job what only its checkpoint tells: `undo` needs it."""
    with suppress(CheckpointError), _former_links(checkpoint) as (opened, links):
        links.note_account(opened.identity().portal, opened.identity().settings["object_type"])


@contextmanager
def _former_links(checkpoint: Path) -> Iterator[tuple[Checkpoint, AssociationsFile]]:
    """The checkpoint and the links of a job. CheckpointError if it has none, or its checkpoint is damaged."""
    with (
        closing(Checkpoint.open(checkpoint, read_only=True)) as opened,
        closing(AssociationsFile(checkpoint)) as links,
    ):
        links.open(opened.job_id())
        yield opened, links


def _kept(checkpoint: Path) -> Sequence[Path]:
    """What is kept of a job that is started over, so that it can be undone."""
    return snapshot_path(checkpoint), associations_path(checkpoint), list_path(checkpoint)


def _discard_job(settings: OutputSettings, in_doubt_below: int) -> None:
    """Remove the checkpoint and the results file; keep snapshot, links and list under other names."""
    save_rows_without_snapshot(settings.checkpoint_path, in_doubt_below)
    _note_account_of_links(settings.checkpoint_path)
    kept = snapshot_path(settings.checkpoint_path)
    if kept.exists() and snapshot.read_about(kept):
        snapshot.decide_open_readings_for_undo(kept, settings.checkpoint_path, in_doubt_below)
    try:
        Checkpoint.remove(settings.checkpoint_path)
        path = settings.checkpoint_path
        snapshot.put_aside(*_kept(path))
        if settings.results_path:
            settings.results_path.unlink(missing_ok=True)
        if settings.links_path and settings.links_path.exists():
            _remove_links_list(settings.links_path)
        if settings.opt_outs_path:
            put_opt_outs_aside(settings.opt_outs_path)
    except OSError as error:
        raise CheckpointError(f"cannot remove {error.filename}: {error.strerror}") from error


def _remove_links_list(path: Path) -> None:
    """Remove the list of links; another file of that name stays. OSError."""
    from uploader.associations.links_list import is_links_list  # noqa: PLC0415  # few jobs have links

    if is_links_list(path):
        path.unlink()
