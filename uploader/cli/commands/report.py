"""`uploader report`: write a job as a self-contained HTML page. `report/content` makes its content."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import click

from uploader.cli.commands.failures import failures_command
from uploader.cli.commands.status import read_summary
from uploader.cli.logs import print_message
from uploader.cli.options.project import Plan, Project
from uploader.cli.pages import clock, page_of, write_page
from uploader.cli.plans.each_step import after_steps, before_steps
from uploader.cli.plans.overview import account_of, standing, undone_steps
from uploader.cli.project_file import checkpoint_argument, job_words
from uploader.cli.text.next_command import command_line, seen_from
from uploader.cli.text.numbers import duration
from uploader.cli.text.summary import SKIP_RULES, ending_text, opt_out_lines
from uploader.cli.text.undo_state import undone_text
from uploader.errors import SettingsError
from uploader.jobs.corrected_rows import correcting_jobs
from uploader.jobs.summary import Summary
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import Tallies
from uploader.model.timeline import Interval, percentile
from uploader.plans.ending import PlanEnd, StepEnd
from uploader.records.associations.link_columns import association_words, link_column, normal
from uploader.report.charts import Chart, Series, axis_of
from uploader.report.content import (
    PERCENTILES,
    DeadLetters,
    Grouping,
    day_texts,
    elsewhere_text,
    latency_text,
    outcome_lines,
    repeated_lines,
    setting_lines,
    status_lines,
    throughput_text,
    values_of,
    verdict,
    verified_text,
    whole_of,
)
from uploader.report.links import JobLinks, read_links
from uploader.sources.names import STDIN
from uploader.sources.open import read_row_again
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint, Identity
from uploader.storage.checkpoint_tables.timeline import Invocation
from uploader.storage.file_names import opt_outs_path, snapshot_path
from uploader.storage.files_to_purge import find
from uploader.storage.keys_of_results import most_repeated_keys
from uploader.undo.job.state import is_undone
from uploader.verify.result_file import read_result

#: The options of settings.
_OPTIONS = {
    "map": "--map",
    "ignore": "--ignore",
    "only": "--only",
    "clear": "--clear",
    "on_duplicate": "--on-duplicate",
    "include_superseded": "--include-superseded",
    "blank_values": "--blank-value",
    "date_orders": "--date-order",
    "decimals": "--decimal",
    "option_readings": "--options",
    "timezones": "--timezone",
    "owner_map": "--owner-map",
    "values": "--values",
    "on_bad_value": "--on-bad-value",
    "policy": "--write",
    "policies": "--fill, --create-only, --overwrite",
    "only_records": "records",
    "suppress": "--suppress, fingerprint",
    "suppress_where": "--suppress-where",
    "opt_outs": "--opt-outs",
    "associate": "--associate",
    "set": "--set",
    "allow": "--allow",
    "skip_unchanged": "--skip-unchanged",
    "snapshot": "--snapshot",
}
#: Settings that are shown elsewhere in the report.
_SILENT = frozenset({"id_property", "match", "object_type", "reading_rules"})
#: A quota this many times above all that was sent is not drawn.
_FAR = 4
_CONFIRMED, _FAILED = ("created", "updated", "unchanged"), ("rejected", "invalid", "abandoned")


@click.command()
@checkpoint_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File to write; -: stdout. Default: path of the checkpoint + .report.html.",
)
@click.option(
    "--with-values",
    "--values",
    "with_values",
    is_flag=True,
    help="Show the keys of failed rows, and HubSpot's messages in full.",
)
def command(checkpoint: Path, *, output: Path | None, with_values: bool) -> int:
    """Write an HTML report of a job: outcomes, timeline, speed, failed rows, next steps.

    The page needs no other files and runs no scripts. It holds no keys, addresses or values unless --values
    is given. A running job is reported as of its last commit.
    """
    is_stdout = output is not None and str(output) == "-"
    folder = Path() if is_stdout else (output or checkpoint).parent
    page = render(checkpoint, with_values=with_values, folder=folder)
    if is_stdout:
        sys.stdout.buffer.write(page)
        return 0
    path = output or checkpoint.with_name(f"{checkpoint.name}.report.html")
    write_page(path, page)
    print_message(f"wrote {path}")
    return 0


@after_steps("report")
def _write_index(plan: Plan, options: Mapping[str, Any], code: int) -> int:
    """Write a page with the steps of a plan, which leads to the pages of the steps."""
    output = options["output"]
    path = output or plan.path.with_name(f"{plan.path.name}.report.html")
    write_page(path, page_of("plan.html", _plan_content(plan, standing(plan), path.parent, output)))
    print_message(f"wrote {path}, which leads to the pages of the steps")
    return code


@before_steps("report")
def _refuse_stdout(steps: Sequence[tuple[Project, Path]], options: Mapping[str, Any]) -> None:
    if str(options["output"]) == "-":
        raise SettingsError(
            "a plan has a page for each step, so -o needs a file; for one page, name a step: "
            f"-f {steps[0][0].path}"
        )


def _plan_content(plan: Plan, end: PlanEnd, folder: Path, output: Path | None) -> dict[str, Any]:
    totals, undone = end.totals(), undone_steps(end)
    shown = [key for key in _SUMS if totals[key] or key in _ALWAYS]  # a wide table hides its last columns
    return {
        "name": plan.path.name,
        "undone": undone,
        "state": end.state,
        "account": account_of(end),
        "verdict": verdict(
            Tallies(rows=totals["rows"], outcomes={outcome: totals[outcome.value] for outcome in Outcome}),
            is_undone=bool(undone),
        ),
        "heads": shown,
        "totals": [totals[key] for key in shown],
        "steps": [
            {
                "name": one.name,
                "object_type": one.object_type,
                "state": one.state,
                "reason": one.reason,
                "link": _link(_page_of_step(one, output), folder) if one.summary else "",
                "counts": [counts.get(key) for key in shown],
                "follow_ups": [more.line for more in one.summary.follow_ups.values()] if one.summary else [],
            }
            for one in end.steps
            for counts in [one.summary.as_dict() if one.summary else {}]
        ],
    }


def _page_of_step(step: StepEnd, output: Path | None) -> Path:
    """The page that the command has written for a step."""
    checkpoint = Path(step.checkpoint)
    if output is None:
        return checkpoint.with_name(f"{checkpoint.name}.report.html")
    return output.with_name(f"{output.stem}.{step.name}{output.suffix}")


def _link(path: Path, folder: Path) -> str:
    return quote(os.path.relpath(path, folder).encode("utf-8", "surrogateescape"))


#: What the page of a plan shows of each step; of these always, of the others if there are any.
_SUMS = ("rows", *(outcome.value for outcome in Outcome), "open")
_ALWAYS = frozenset({"rows", "created", "updated"})


def render(path: Path, *, with_values: bool = False, folder: Path = Path()) -> bytes:
    """The report as a page that is to stand in this folder. CheckpointError if there is no checkpoint."""
    with closing(Checkpoint.open(path, read_only=True)) as checkpoint:
        content = _content(path, checkpoint, with_values=with_values)
        content["files"] = _files(path, folder)
    return page_of("page.html", content)


def _content(path: Path, checkpoint: Checkpoint, *, with_values: bool) -> dict[str, Any]:
    """The variables of the template."""
    identity, invocations = checkpoint.identity(), checkpoint.invocations()
    uploads = list(_uploads_of_failed_rows(checkpoint))
    dead = _dead_letters(checkpoint, identity, with_values=with_values)
    intervals = checkpoint.timeline()
    summary, undone = read_summary(path), undone_text(path)
    whole = whole_of(intervals)
    return {
        "name": path.name,
        "account": identity.portal or "unknown",
        "object_type": identity.settings.get("object_type", "contacts"),
        "match": ", else ".join(identity.settings.get("match", [identity.settings.get("id_property", "")])),
        "sources": [(source.name, _shape_text(source.shape)) for source in identity.sources],
        "summary": summary,
        "ending": ending_text(summary, is_undone=is_undone(path)),
        "undone": [*undone, *opt_out_lines(summary.tallies, opt_outs_path(path))],
        "tallies": summary.tallies,
        "follow_ups": [one.line for one in summary.follow_ups.values()],
        "links": _links(checkpoint, with_values=with_values),
        "elapsed": duration(summary.elapsed_seconds),
        "verdict": verdict(summary.tallies, is_undone=bool(undone)),
        "verified": _verified(path, checkpoint),
        "corrected": [one.line for one in uploads],
        "repeated": repeated_lines(most_repeated_keys(path, checkpoint), with_values=with_values),
        "outcomes": outcome_lines(summary.tallies),
        "skips": [(SKIP_RULES.get(rule, rule), count) for rule, count in summary.tallies.skips.items()],
        "throughput": throughput_text(whole, summary.tallies),
        "charts": _charts(intervals) if intervals else [],
        "latencies": latency_text(whole),
        "statuses": status_lines(whole),
        "elsewhere": elsewhere_text(whole, summary.tallies),
        "pauses": _pauses(summary, whole),
        "day": day_texts(intervals),
        "invocations": [
            _invocation(one, is_at_work=one is invocations[-1] and summary.state == "running")
            for one in invocations
        ],
        "dead": dead,
        "several_sources": len(identity.sources) > 1,
        "source_names": [source.name for source in identity.sources],
        "with_values": with_values,
        "settings": setting_lines(_shown_settings(identity), _OPTIONS),
        "changes": checkpoint.changes(),
        "next": _next_commands(
            path,
            summary,
            seen_from(Path.cwd(), checkpoint.repeated_options()),
            can_verify=all(source.name != STDIN for source in identity.sources),
            uploaded_again=sum(one.rows for one in uploads),
        ),
    }


def _shown_settings(identity: Identity) -> dict[str, Any]:
    """The settings of the job that the page shows, with columns and links in words."""
    settings = {name: value for name, value in identity.settings.items() if name not in _SILENT}
    links = (link_column(one["column"], one) for one in settings.pop("associate", ()))
    settings["associate"] = [f"{one.column}: {association_words(normal(one))}" for one in links]
    settings["columns"] = _column_texts(identity)
    return settings


class _Upload(NamedTuple):
    """A later job that uploaded failed rows."""

    rows: int
    line: str


def _uploads_of_failed_rows(checkpoint: Checkpoint) -> Iterator[_Upload]:
    for path in correcting_jobs(checkpoint):
        with closing(Checkpoint.open(path, read_only=True)) as job:
            names = ", ".join(source.name.rpartition("/")[2] for source in job.identity().sources)
            tallies = job.state().tallies
        undone = ", and was undone" if undone_text(path) else ""
        line = (
            f"A later job uploaded {tallies.rows:,} of the failed rows, from {names}{undone}: "
            f"{tallies.failed:,} failed again."
        )
        yield _Upload(0 if undone else tallies.rows, line)


def _verified(path: Path, checkpoint: Checkpoint) -> str:
    """What the last complete verify of the job found; "" if there was none."""
    result = read_result(path, checkpoint.job_id())
    return verified_text(result, clock(result["ended_at"])) if result else ""


def _links(checkpoint: Checkpoint, *, with_values: bool) -> JobLinks | None:
    """The links of the job; None if it has none."""
    if not checkpoint.has_links_file():
        return None
    with closing(AssociationsFile(checkpoint.path)) as file:
        file.open(checkpoint.job_id(), read_only=True)
        return read_links(file, with_values=with_values)


def _files(checkpoint: Path, folder: Path) -> list[tuple[str, str, str]]:
    """The other files of the job: link from a page in this folder, name, and what is in them."""
    found = [one for one in find(checkpoint) if one.path != checkpoint and one.path.suffix != ".html"]
    return [(_link(one.path, folder), one.path.name, one.what) for one in found]


def _dead_letters(checkpoint: Checkpoint, identity: Identity, *, with_values: bool) -> DeadLetters:
    grouping = Grouping(with_values=with_values)
    for letter in checkpoint.dead_letters():
        shape = identity.sources[letter.source].shape
        values = [letter.key, *values_of(read_row_again(shape, letter.raw), shape.columns)]
        group = grouping.add(
            letter.outcome, letter.category, letter.message, values, correlation_id=letter.correlation_id
        )
        grouping.exemplify(group, letter.row, letter.source, letter.key, letter.message)
    return grouping.found()


def _charts(intervals: list[Interval]) -> list[tuple[str, str, list[tuple[str, str]], str]]:
    """For each chart: title, markup, legend (class and text), and what it shows."""
    axis = axis_of([one.began for one in intervals], intervals[-1].seconds)
    paused = Series(
        "no requests sent", "paused", [sum(one.paused.values()) / one.seconds for one in intervals]
    )
    has_pauses = any(paused.values)
    rest = [(paused.kind, "paused")] if has_pauses else []
    rows, requests, latencies = _rows(intervals), _requests(intervals), _latencies(intervals)
    quota, far = _quota(intervals, requests)
    shade = paused if has_pauses else None
    made = [
        (Chart("Rows settled", axis, "rows a second", areas=rows, shade=shade), rows, "rows a second"),
        (
            Chart("Requests", axis, "requests a second", areas=requests, lines=quota, shade=shade),
            [*requests, *quota],
            f"answers a second{far or ', and the quota'}",
        ),
        (
            Chart(
                "Latency",
                axis,
                "seconds",
                lines=latencies,
                shade=shade,
                value_text=lambda value: f"{value:g}",
            ),
            latencies,
            "seconds until an answer arrived: 50 %, 95 % and 99 % of answers within",
        ),
    ]
    return [
        (chart.title, chart.svg(), [(one.kind, one.name) for one in series if any(one.values)] + rest, text)
        for chart, series, text in made
    ]


def _quota(intervals: list[Interval], requests: list[Series]) -> tuple[list[Series], str]:
    """The series of the quota, and a text instead of it if it is so high that it would flatten the others."""
    allowed = Series("quota", "quota", [one.per_second or None for one in intervals])
    highest = max((value for value in allowed.values if value), default=0.0)
    most = max(
        sum(value or 0 for value in column) for column in zip(*(one.values for one in requests), strict=True)
    )
    if highest > _FAR * max(most, 1.0):
        return [], f"; the quota allows {highest:,.0f}"
    return [allowed], ""


def _rows(intervals: list[Interval]) -> list[Series]:
    def rate(*names: str) -> list[float | None]:
        return [sum(one.outcomes.get(name, 0) for name in names) / one.seconds for one in intervals]

    return [
        Series("created, updated or unchanged", "good", rate(*_CONFIRMED)),
        Series("rejected, invalid or abandoned", "bad", rate(*_FAILED)),
        Series("skipped or pending", "odd", rate("skipped", "pending")),
    ]


def _requests(intervals: list[Interval]) -> list[Series]:
    def rate(is_of: Mapping[str, bool]) -> list[float | None]:
        return [
            sum(count for status, count in one.statuses.items() if is_of[status]) / one.seconds
            for one in intervals
        ]

    statuses = {status for one in intervals for status in one.statuses}
    answered = {status: status.startswith("2") for status in statuses}
    throttled = {status: status in {"429", "423", "477"} for status in statuses}
    failed = {status: not answered[status] and not throttled[status] for status in statuses}
    return [
        Series("answered", "good", rate(answered)),
        Series("throttled (429, 423, 477)", "odd", rate(throttled)),
        Series("failed", "bad", rate(failed)),
    ]


def _latencies(intervals: list[Interval]) -> list[Series]:
    return [
        Series(name, name, [percentile(one.latencies, share) for one in intervals])
        for name, share in PERCENTILES
    ]


def _pauses(summary: Summary, whole: Interval) -> list[tuple[str, int, str]]:
    """For each cause of pauses: how often, and how long in total."""
    return [
        (cause, count, duration(whole.paused.get(cause, 0.0)))
        for cause, count in sorted(summary.tallies.pauses.items())
    ]


def _invocation(one: Invocation, *, is_at_work: bool) -> tuple[str, str, str, str]:
    """An invocation's start, duration, end and version, as texts."""
    ended = one.state if one.state == "complete" else one.reason or "killed"
    if is_at_work:
        ended = "sending"
    return clock(one.began), duration(max(0.0, one.seen - one.began)), ended, one.version


def _shape_text(shape: Any) -> str:  # noqa: ANN401  # as recorded
    parts = [shape.format, shape.encoding, f"sheet {shape.sheet}" if shape.sheet else ""]
    parts.append(f"{len(shape.columns):,} columns" if shape.columns else "")
    return ", ".join(part for part in parts if part)


def _column_texts(identity: Identity) -> list[str]:
    """The property of each column, as texts."""
    texts: list[str] = []
    for source, named in zip(identity.sources, identity.settings.get("columns") or [], strict=False):
        columns = source.shape.columns
        for place, name in (named or {}).items():
            text = f"{columns[int(place)] if int(place) < len(columns) else place} = {name}"
            texts += [text] if text not in texts else []
    return texts


def _next_commands(
    path: Path,
    summary: Summary,
    repeated: Mapping[str, Sequence[str]],
    *,
    can_verify: bool,
    uploaded_again: int,
) -> list[tuple[str, str]]:
    """What to do next, each with its command. `repeated`: options of the job. `can_verify`: the rows can be
    read again. `uploaded_again`: number of failed rows that later jobs have uploaded.
    """
    job, found = job_words(path, repeated), []
    with_account = job_words(path, repeated, account=True)
    if summary.state == "stopped":
        found.append(("continue", "run the job's own command again"))
    if summary.tallies.failed > uploaded_again:
        found.append(("write the failed rows to a file, to correct them", failures_command(path)))
    if summary.tallies.aliases:
        found.append(("list keys that led to the same contact", command_line("status", "--aliases", *job)))
    if summary.state != "running" and summary.tallies.confirmed:
        if can_verify:
            found.append(("compare the records with the rows", command_line("verify", *with_account)))
        if snapshot_path(path).exists() and not undone_text(path):
            found.append(("see what an undo would do", command_line("undo", *with_account, "--dry-run")))
    return found
