"""The reports of `undo` as JSON, whose keys others script against. Values in, values out."""

from collections.abc import Mapping

from uploader.jobs.summary import EarlyEnd
from uploader.model.settings_periods import NotInSnapshot
from uploader.properties import removal
from uploader.undo.job.run import JobReport
from uploader.undo.link_plan import LinkUndo
from uploader.undo.links import LinksReport
from uploader.undo.plan import UndoOutcome
from uploader.undo.record_list import ListReport
from uploader.undo.run import Report
from uploader.undo.undo_file import Undone


def as_dict(report: JobReport) -> dict[str, object]:
    """What became of the parts of a job."""
    if report.properties is not None:
        return removed_dict(report.properties, dry_run=report.is_dry)
    before: dict[str, object] = {
        **({"list": list_dict(report.list)} if report.list else {}),
        **({"links": links_dict(report.links)} if report.links else {}),
    }
    if report.records is None:
        return before
    return _records_dict(report.records, before, dry_run=report.is_dry)


def _records_dict(report: Report, before: Mapping[str, object], *, dry_run: bool) -> dict[str, object]:
    return {
        "contacts": report.keys,
        **{outcome.name.lower(): report.counts[outcome] for outcome in UndoOutcome},
        "left": report.left,
        "values_restored": report.values_restored,
        "values_kept": report.values_kept,
        "keys_absent_twice": report.twice_absent,
        **unkept_dict(report.unkept),
        **before,
        "dry_run": dry_run,
        "requests": report.requests,
        "elapsed_seconds": round(report.elapsed_seconds, 3),
        **_end(report.end),
    }


def list_dict(report: ListReport) -> dict[str, object]:
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
        **_end(report.end),
    }


def links_dict(report: LinksReport) -> dict[str, object]:
    return {
        "made": report.made,
        **{one.value: report.counts[one] for one in LinkUndo},
        "left": report.left,
        "others_created": report.others_made,
        **{f"others_{one.name.lower()}": count for one, count in report.others.items()},
        "reasons": dict(report.reasons),
        "dry_run": report.is_dry,
        "requests": report.requests,
        **_end(report.end),
    }


def removed_dict(report: removal.Report, *, dry_run: bool) -> dict[str, object]:
    return {
        "archived": report.archived,
        "gone": report.gone,
        "kept": report.kept,
        "left": report.left,
        "dry_run": dry_run,
        "account": report.portal,
        "requests": report.requests,
        "elapsed_seconds": round(report.elapsed_seconds, 3),
        **_end(report.end),
    }


def _end(end: EarlyEnd | None) -> dict[str, object]:
    return {"state": "stopped" if end else "complete", "reason": end.reason if end else ""}


def undone_dict(found: tuple[Undone, NotInSnapshot] | None) -> dict[str, object] | None:
    """What an undo has done: counts by outcome, `left` and `ended_at` ("" if it has not ended); None if none
    was begun.
    """
    if found is None:
        return None
    undone, unkept = found
    counts = {outcome.name.lower(): count for outcome, count in undone.counts.items()}
    ended_at = "" if undone.left else undone.ended_at
    return {**counts, "left": undone.left, "ended_at": ended_at, **unkept_dict(unkept)}


def unkept_dict(unkept: NotInSnapshot) -> dict[str, object]:
    return {
        "rows_without_snapshot": unkept.written,
        "rows_perhaps_without_snapshot": unkept.unsure,
        "without_snapshot_unknown": unkept.unknown,
    }
