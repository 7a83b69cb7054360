"""`uploader undo` of the list that a job's records were put into: it comes before that of the records."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from uploader.cli.options.connection import connection_settings
from uploader.cli.text.numbers import printable
from uploader.cli.undo.approval import is_approved
from uploader.hubspot.account import Account
from uploader.jobs.summary import advice
from uploader.storage.file_names import find_job, list_path
from uploader.storage.list_file import ListFile
from uploader.system.stop_signals import stop_on_signals
from uploader.undo.record_list import ListReport, ListUndo, list_settings


def find_list(named: Path) -> tuple[Path, str] | None:
    """The checkpoint and the number of the list of a job, given any of its files; None if it has no list."""
    found = find_job(named)
    return found if list_path(*found).is_file() else None


def undo_list(
    checkpoint: Path, number: str, job: str, *, dry_run: bool, yes: bool, connection: Mapping[str, Any]
) -> ListReport | None:
    """Undo what a job did to its list; None if nothing was ever done. `job`: that of the snapshot, or "";
    the list of another job stays as it is.
    """
    with closing(ListFile(checkpoint, number)) as file:
        if not file.open(read_only=dry_run) or job not in ("", file.about["job"]):
            return None
        if not {"list_id", "make_sent_at"} & file.about.keys():
            return None
        settings = list_settings(file, checkpoint, **connection_settings(connection))
        return asyncio.run(_run(ListUndo(settings, file, approve=None if yes else _approve, dry=dry_run)))


async def _run(undo: ListUndo) -> ListReport:
    stop_on_signals(undo.ending.stop)
    return await undo.run()


async def _approve(account: Account, report: ListReport) -> bool:
    then = ", and delete the list if it is empty then" if report.is_made else ""
    what = f"take {report.left:,} records out of the list {printable(report.name)!r}"
    return await is_approved(account, what, then)


def list_dict(report: ListReport) -> dict[str, object]:
    """The report as JSON."""
    return {
        "name": report.name,
        "id": report.list_id,
        "made": report.is_made,
        "removed": report.removed,
        "left": report.left,
        "gone": report.is_gone,
        "why_kept": report.why_kept,
        "dry_run": report.is_dry,
        "requests": report.requests,
        "state": "stopped" if report.end else "complete",
        "reason": report.end.reason if report.end else "",
    }


def list_lines(report: ListReport) -> Iterator[str]:
    """The report as lines for people."""
    what = f"list {printable(report.name)!r} (id {report.list_id})" if report.list_id else "the list"
    if report.is_dry and not report.is_gone:
        made = "; the job made it, so it is deleted if it is empty then" if report.is_made else ""
        yield f"{what}: {report.left:,} records to be taken out{made}"
    else:
        state = ", not there any more" if report.is_gone else ""
        left = f", {report.left:,} left" if report.left else ""
        yield f"{what}{state}: {report.removed:,} records taken out{left}"
    if report.why_kept:
        yield f"{what} stays: {printable(report.why_kept)}"
    if report.end is not None:
        yield f"stopped: {printable(report.end.reason)}; {advice(report.end.cause)}"
