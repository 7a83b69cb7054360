"""What `uploader undo` says of what is undone before the records: the list that they were put into, and their
links.
"""

from collections.abc import Iterator, Sequence

from uploader.jobs.summary import advice
from uploader.model.counted import counted
from uploader.model.foreign_texts import printable
from uploader.undo.job.run import JobReport
from uploader.undo.link_plan import LinkUndo
from uploader.undo.links import LinksReport
from uploader.undo.record_list import ListReport


def lines_before(report: JobReport) -> Sequence[str]:
    return [
        *(_list_lines(report.list) if report.list else ()),
        *(_links_lines(report.links) if report.links else ()),
    ]


def _list_lines(report: ListReport) -> Iterator[str]:
    """The report as lines for people."""
    what = f"list {printable(report.name)!r} (id {report.list_id})" if report.list_id else "the list"
    if report.is_dry and not report.is_gone:
        made = "; the job made it, so it is deleted if it is empty then" if report.is_made else ""
        yield f"{what}: {counted(report.left, 'record')} to be taken out{made}"
    else:
        state = ", not there any more" if report.is_gone else ""
        left = f", {report.left:,} left" if report.left else ""
        yield f"{what}{state}: {counted(report.removed, 'record')} taken out{left}"
    if report.why_kept:
        yield f"{what} stays: {printable(report.why_kept)}"
    if report.end is not None:
        yield f"stopped: {printable(report.end.reason)}; {advice(report.end.cause)}"


_WORDS = {
    LinkUndo.UNLINKED: "taken back",
    LinkUndo.GONE: "not there any more",
    LinkUndo.KEPT: "kept",
    LinkUndo.FAILED: "failed",
}


def _links_lines(report: LinksReport) -> Iterator[str]:
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
