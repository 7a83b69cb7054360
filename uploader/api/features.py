"""The commands beside `upload`, for programs: `check`, `preview`, `verify`, `undo` and `failures`.

Nothing here prints, asks, reads the environment, or touches signals, logging or the loop. A cancelled call
stops its work in order before it ends.
"""

import os
import signal
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Unpack

from uploader.api.consent import Approve, Consent
from uploader.api.described import with_options
from uploader.api.keyword_settings import SIGN_IN, connection_fields, keywords_named, make_settings
from uploader.api.options import AnyPath, ConnectionOptions, Names, Options
from uploader.api.reports import CheckReport, PreviewReport, UndoReport, VerifyReport
from uploader.api.running import run_to_end
from uploader.check.run import Check
from uploader.errors import SettingsError
from uploader.hubspot.account import Account
from uploader.jobs.session import Seams
from uploader.preview.run import Preview
from uploader.settings import Settings
from uploader.sources.names import STDIN
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.failed_rows import KINDS, FailedRow, Kind, failed_rows
from uploader.system.blocking_calls import Background
from uploader.undo.job.as_json import undone_dict
from uploader.undo.job.run import Approvals, JobUndo
from uploader.undo.job.state import has_to_begin_anew, undone_before
from uploader.undo.links import LinksReport
from uploader.undo.record_list import ListReport
from uploader.verify.job import open_job, verify_job

#: Options that only an upload needs. Others take them, so that a program can share its options.
_OF_UPLOAD = frozenset(
    {
        *("canary", "no_canary", "canary_wait", "approve_canary", "tolerate", "restart"),
        *("accept_changed_settings", "accept_changed_results", "max_duration", "drain_timeout"),
        *("results", "no_results"),
    }
)
#: Failed rows that are read at once.
_SLICE = 500


@with_options(Options)
async def check(
    *sources: AnyPath,
    sample: int | None = None,
    examples: int = 10,
    seams: Seams | None = None,
    **options: Unpack[Options],
) -> CheckReport:
    """Find everything that can be known before the first write. Nothing is written to HubSpot.

    Sources are paths, patterns or URLs, which are read to their end; with `sample` only so many rows of each.
    `examples` is how many rows the report names for each kind of finding. Without a token, only the files are
    checked. Options of an upload that make no difference are ignored.

    Raise UploaderError if there is nothing to check. The report's `exit_code` is that of `uploader check`.
    """
    with keywords_named():
        _refuse_number("sample", sample, 1)
        _refuse_number("examples", examples, 0)
        is_offline = not any(options.get(name) for name in SIGN_IN)
        settings = _reading_settings("check", sources, options, offline=is_offline)
        run = Check(settings, seams, sample=sample, examples=examples)
        found = await run_to_end(run.run(), partial(run.ending.stop, signal.SIGINT))
        found.is_undone = has_to_begin_anew(settings.checkpoint_path)
        return CheckReport(found)


@with_options(Options)
async def preview(
    *sources: AnyPath,
    sample: int | None = None,
    examples: int = 5,
    rows: int = 0,
    seams: Seams | None = None,
    **options: Unpack[Options],
) -> PreviewReport:
    """Show what an upload would create, change and leave, row by row. Nothing is written to HubSpot.

    Sources are paths, patterns or URLs; with `sample` only so many rows are previewed. `examples` is how many
    values the report has for each kind of change, `rows` how many of the first rows it has in full. Options
    of an upload that make no difference are ignored.

    Raise UploaderError if the upload could not start. The report's `exit_code` is that of `uploader preview`.
    """
    with keywords_named():
        _refuse_number("sample", sample, 1)
        _refuse_number("examples", examples, 0)
        _refuse_number("rows", rows, 0)
        settings = _reading_settings("preview", sources, options)
        run = Preview(settings, seams, sample=sample, examples=examples, rows=rows)
        found = await run_to_end(run.preview(), partial(run.ending.stop, signal.SIGINT))
        found.is_undone = has_to_begin_anew(settings.checkpoint_path)
        return PreviewReport(found)


@with_options(ConnectionOptions)
async def verify(
    checkpoint: AnyPath,
    *,
    source: Names = (),
    sample: int | None = None,
    output: AnyPath | None = None,
    restart: bool = False,
    seams: Seams | None = None,
    **options: Unpack[ConnectionOptions],
) -> VerifyReport:
    """Read the records of a job back, and compare them with the values of its rows.

    `source` names the sources if they were moved, in the job's order. `sample`: verify only so many records.
    `output`: CSV file for the differences; by default the path of the source + .differences.csv. `restart`:
    discard a verification that was interrupted, and read all records again.

    Raise UploaderError if it can't start. The report's `exit_code` is that of `uploader verify`.
    """
    path, listed = Path(checkpoint), None if output is None else Path(output)
    with keywords_named():
        _refuse_number("sample", sample, 1)
        names = (source,) if isinstance(source, str) else tuple(source)
        connection = connection_fields(options)
        with open_job(path, sources=names, output=listed, restart=restart, connection=connection) as job:
            run = job.verification(sample, seams)
            work = verify_job(job, run, keeps_empty=listed is not None)
            found, _ = await run_to_end(work, partial(run.ending.stop, signal.SIGINT))
        is_listed = found.end is None and job.output.exists()
        return VerifyReport(found, undone_dict(undone_before(path)), job.output if is_listed else None)


@with_options(ConnectionOptions)
async def undo(
    checkpoint: AnyPath,
    *,
    dry_run: bool = False,
    output: AnyPath | None = None,
    restart: bool = False,
    archive_touched: bool = False,
    yes: bool = False,
    approve: Approve | None = None,
    portal: str | int = "",
    seams: Seams | None = None,
    **options: Unpack[ConnectionOptions],
) -> UndoReport:
    """Undo a job: archive what it created, restore what it changed, take back its links and its list.

    `checkpoint` is the job's checkpoint or another of its files. `dry_run`: write nothing, and report what
    would be done. `output`: CSV file for what is kept, and why; by default the path of the source +
    .kept.csv. `restart`: look at every record again. `archive_touched`: also archive created records that
    others have worked with since.

    A production account, or one whose kind the token may not read, is written to only if `portal` names it,
    `approve` returns True, or `yes` is given. `approve` is a function or coroutine of the account and the
    number of records, links or members of a list that may be written; it is called for each of these.

    Raise UploaderError if it can't start. The report's `exit_code` is that of `uploader undo`.
    """
    with keywords_named():
        run = JobUndo(
            Path(checkpoint),
            connection_fields(options),
            dry_run=dry_run,
            output=None if output is None else Path(output),
            restart=restart,
            archive_touched=archive_touched,
            approvals=None if yes else _approvals(Consent(yes, approve, None, str(portal))),
            seams=seams,
        )
        return UndoReport(await run_to_end(run.run(), partial(run.stop, signal.SIGINT)))


def _approvals(consent: Consent) -> Approvals:
    async def approve_list(account: Account, report: ListReport) -> bool:
        return await consent.approves(account, report.left)

    async def approve_links(account: Account, report: LinksReport) -> bool:
        return await consent.approves(account, report.left + report.others_made)

    async def approve_records(account: Account, created: int, others: int) -> bool:
        return await consent.approves(account, created + others)

    async def approve_properties(account: Account, names: Sequence[str]) -> bool:
        return await consent.approves(account, len(names))

    return Approvals(approve_list, approve_links, approve_records, approve_properties)


async def failures(checkpoint: AnyPath, *, kind: Kind = "all") -> AsyncIterator[FailedRow]:
    """Yield the failed rows of a job in file order: rejected, invalid and abandoned ones.

    `kind="transient"`: those that may succeed unchanged. `kind="permanent"`: those to be corrected first, and
    all other failed rows with their keys.

    Raise UploaderError if the checkpoint can't be read.
    """
    reader = Background("failures")
    rows = failures_sync(checkpoint, kind=kind)
    try:
        while found := await reader.run(lambda: list(islice(rows, _SLICE))):
            for row in found:
                yield row
    finally:
        await reader.run(rows.close)
        reader.close()


def failures_sync(checkpoint: AnyPath, *, kind: Kind = "all") -> Generator[FailedRow, None, None]:
    """The same as `failures`, for programs without an event loop."""
    with keywords_named():
        if kind not in KINDS:
            raise SettingsError(f"kind= takes one of {', '.join(KINDS)}, not {kind!r}")
        with closing(Checkpoint.open(Path(checkpoint), read_only=True)) as opened, opened.as_of_now():
            yield from failed_rows(opened, kind)


def _reading_settings(
    function: str, sources: Sequence[AnyPath], options: Mapping[str, Any], *, offline: bool = False
) -> Settings:
    """The settings of a job that is only read: temporary files go beside the checkpoint's path."""
    if not all(isinstance(one, str | os.PathLike) for one in sources):
        raise SettingsError(
            f"{function}() reads its sources several times, so they must be files: write the rows to one"
        )
    names = tuple(os.fspath(one) for one in sources)
    base: dict[str, Any] = {"write_results": False, "offline": offline}
    if STDIN in names:  # it has no folder of its own
        base["checkpoint"] = Path("stdin.checkpoint")
    asked = {name: value for name, value in options.items() if name not in _OF_UPLOAD}
    return make_settings(names, (), asked, base)


def _refuse_number(name: str, value: int | None, least: int) -> None:
    if value is not None and (not isinstance(value, int) or value < least):
        raise SettingsError(f"{name}= takes a whole number, {least} or more")
