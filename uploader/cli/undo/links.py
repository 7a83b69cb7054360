"""`uploader undo` of the links that a job made: it comes before that of the records."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uploader.cli.options.connection import connection_settings
from uploader.cli.text.numbers import printable
from uploader.cli.undo.approval import is_approved
from uploader.hubspot.account import Account
from uploader.jobs.summary import advice
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import associations_path, find_job, snapshot_path
from uploader.system.stop_signals import stop_on_signals
from uploader.undo.link_plan import LinkUndo
from uploader.undo.links import LinksReport, LinksUndo, links_settings
from uploader.undo.undo_file import UndoFile
from uploader.undo.would_be_gone import WouldBeGone


@dataclass(frozen=True, slots=True)
class JobWithLinks:
    checkpoint: Path
    job: str
    portal: str
    object_type: str
    number: str = ""  #: such as ".1", of a former job that was started over


def find_links(named: Path, job: str) -> JobWithLinks | None:
    """The job with the links, given any of its files; None if it has none. `job`: that of the snapshot, or
    ""; the links of another job stay as they are.
    """
    checkpoint, number = find_job(named)
    if not associations_path(checkpoint, number).is_file():
        return None
    if number:
        return _of_former_job(checkpoint, number)
    if not checkpoint.is_file():
        return None
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
        found, identity = opened.job_id(), opened.identity()
    if job not in ("", found):
        return None
    return JobWithLinks(checkpoint, found, identity.portal, identity.settings["object_type"])


def _of_former_job(checkpoint: Path, number: str) -> JobWithLinks:
    """The same of a job whose files were renamed: its checkpoint is gone."""
    snapshot = snapshot_path(checkpoint, number)
    if snapshot.is_file():
        about = UndoFile(snapshot).about
    else:
        with closing(AssociationsFile(checkpoint, number)) as file:
            about = file.open_former()
    return JobWithLinks(checkpoint, about["job"], about["portal"], about["object_type"], number)


def undo_links(
    found: JobWithLinks,
    *,
    dry_run: bool,
    gone: WouldBeGone,
    restart: bool,
    yes: bool,
    connection: Mapping[str, Any],
) -> LinksReport | None:
    """Undo the links of a job; None if it has made none."""
    with closing(AssociationsFile(found.checkpoint, found.number)) as file:
        file.open(found.job)
        options = connection_settings(connection)
        settings = links_settings(file, found.checkpoint, found.object_type, restart=restart, **options)
        approve = None if yes else _approve
        undo = LinksUndo(settings, file, found.portal, approve=approve, dry=dry_run, gone=gone)
        report = asyncio.run(_run(undo))
    return report if report.made or report.others_made or report.end else None


async def _run(undo: LinksUndo) -> LinksReport:
    stop_on_signals(undo.ending.stop)
    return await undo.run()


async def _approve(account: Account, report: LinksReport) -> bool:
    others = f" and archive up to {report.others_made:,} created for them" if report.others_made else ""
    return await is_approved(account, f"take back up to {report.left:,} links{others}")


_WORDS = {
    LinkUndo.UNLINKED: "taken back",
    LinkUndo.GONE: "not there any more",
    LinkUndo.KEPT: "kept",
    LinkUndo.FAILED: "failed",
}


def links_dict(report: LinksReport) -> dict[str, object]:
    """The report as JSON."""
    return {
        "made": report.made,
        **{one.value: report.counts[one] for one in LinkUndo},
        "left": report.left,
        "others_created": report.others_made,
        **{f"others_{one.name.lower()}": count for one, count in report.others.items()},
        "reasons": dict(report.reasons),
        "dry_run": report.is_dry,
        "requests": report.requests,
        "state": "stopped" if report.end else "complete",
        "reason": report.end.reason if report.end else "",
    }


def links_lines(report: LinksReport) -> Iterator[str]:
    """The report as lines for people."""
    words = {**_WORDS, LinkUndo.UNLINKED: "to be taken back"} if report.is_dry else _WORDS
    parts = [f"{report.counts[one]:,} {words[one]}" for one in LinkUndo if report.counts[one]]
    parts += [f"{report.left:,} left"] if report.left else []
    yield f"links that the job made: {report.made:,}: {', '.join(parts) or 'none'}"
    for why, count in report.reasons:
        yield f"  {count:,}  {printable(why)}"
    if report.others_made:
        others = ", ".join(f"{count:,} {one.value}" for one, count in report.others.items() if count)
        yield f"records that the job created for its links: {report.others_made:,}: {others or 'left'}"
    if report.end is not None:
        yield f"stopped: {printable(report.end.reason)}; {advice(report.end.cause)}"
