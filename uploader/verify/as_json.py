"""The report of `verify` as JSON, whose keys others script against. Values in, values out."""

from dataclasses import asdict

from uploader.verify.judge import Verdict
from uploader.verify.link_judge import LinkVerdict
from uploader.verify.links import LinksReport
from uploader.verify.run import Report


def as_dict(report: Report, undone: dict[str, object] | None) -> dict[str, object]:
    """`undone`: what an undo of the job has done; None if there was none."""
    end = report.end
    return {
        "contacts": report.records,
        "rows": report.rows,
        "rows_written": report.rows_written,
        "rows_open": report.rows_open,
        "is_finished": report.is_finished,
        "corrected": [asdict(one) for one in report.corrected],
        **{verdict.name.lower(): report.counts[verdict] for verdict in Verdict},
        "not_checked_because": report.doubts,
        "links": _links_dict(report.links) if report.links else None,
        "left": report.left,
        "has_older_rules": report.has_older_rules,
        "undone": undone,
        "requests": report.requests,
        "elapsed_seconds": round(report.elapsed_seconds, 3),
        "state": "stopped" if end else "complete",
        "reason": end.reason if end else "",
    }


def _links_dict(links: LinksReport) -> dict[str, int]:
    """`compared` is the sum of the counts by verdict and of `left`."""
    return {
        "compared": links.compared,
        **{_KEYS[verdict]: count for verdict, count in links.counts.items()},
        "left": links.left,
        "not_made": links.not_made,
        "open": links.open,
    }


_KEYS = {
    LinkVerdict.EQUAL: "equal",
    LinkVerdict.MISSING: "missing",
    LinkVerdict.LABEL: "without_label",
    LinkVerdict.PRIMARY: "other_primary",
    LinkVerdict.UNCHECKED: "unchecked",
    LinkVerdict.THERE: "pending_there",
    LinkVerdict.NOT_THERE: "pending_missing",
}
