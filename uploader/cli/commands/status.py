"""`uploader status`: show the state of a job, from its checkpoint. The job may be running."""

import csv
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import click

from uploader.canary import planning
from uploader.cli.options.project import Plan
from uploader.cli.output import print_json, print_lines, rows_out
from uploader.cli.plans.each_step import instead_of_steps
from uploader.cli.plans.overview import continue_line, standing, undone_steps
from uploader.cli.project_file import checkpoint_argument, checkpoint_of, project_of
from uploader.cli.status_watch import watch, watch_plan
from uploader.cli.text.plan import WIDE, table_of
from uploader.cli.text.summary import ending_text, opt_out_lines, summary_text
from uploader.cli.text.undo_state import undone_text
from uploader.errors import SettingsError
from uploader.jobs.follow_ups import read_progress
from uploader.jobs.summary import JobState, Summary
from uploader.model.foreign_texts import printable
from uploader.plans.record import COMPLETE, RUNNING
from uploader.plans.record_file import record_path
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import opt_outs_path
from uploader.storage.list_file import ListFile
from uploader.system.private_files import Lock
from uploader.undo.job.as_json import undone_dict
from uploader.undo.job.state import is_undone, undone_before


def read_summary(path: Path) -> Summary:
    """The summary as of the last commit. The job is running if a process works on it or on its plan."""
    with closing(Checkpoint.open(path, read_only=True)) as checkpoint:
        is_held = _is_held(checkpoint)  # before the state is read: the job may end meanwhile
        state, follow_ups = checkpoint.state(), read_progress(checkpoint)
        because = planning.UNDONE if planning.is_undone(checkpoint) else state.reason
    is_left = any(one.open for one in follow_ups.values())
    is_complete = state.state == "complete" and not is_left
    running = not is_complete and is_held
    stopped = (
        "what follows the rows is not complete" if state.state == "complete" else "killed or interrupted"
    )
    return Summary(
        state.tallies,
        JobState.RUNNING if running else JobState.COMPLETE if is_complete else JobState.STOPPED,
        "" if running or is_complete else because or stopped,
        state.elapsed_seconds,
        chain=state.chain,
        follow_ups=follow_ups,
        # Of a job that was killed, the rows that it read but had not committed are not counted at all.
        may_be_sent=bool(state.in_doubt_below) if state.reason and not running else None,
    )


def _is_held(checkpoint: Checkpoint) -> bool:
    """Whether a process works on the job, or on the plan that it is a step of: that comes back to it."""
    if Lock(checkpoint.path).is_held():
        return True
    project = project_of(checkpoint.path, checkpoint.repeated_options())
    return project is not None and bool(project.step) and Lock(record_path(project.file)).is_held()


def _next_line(path: Path) -> str:
    """How a stopped job goes on."""
    with closing(Checkpoint.open(path, read_only=True)) as checkpoint:
        canary, is_canary_undone = checkpoint.canary(), planning.is_undone(checkpoint)
    again = "run the job's own command again"
    if is_canary_undone:
        return f"to begin anew, {again} with --restart added"
    waits = canary is not None and canary.waits
    return f"to continue, {again}{' with --approve-canary added' if waits else ''}"


@instead_of_steps("status")
def _show_plan(plan: Plan, options: Mapping[str, Any]) -> int:
    """The steps of a plan in one table."""
    if any(options[name] for name in ("aliases", "pending", "not_in_list")):
        raise SettingsError(
            "--aliases, --pending and --not-in-list are about one job; name a step, such as "
            f"{plan.steps[0].path}"
        )
    if options["watched"]:
        watch_plan(
            partial(standing, plan),
            partial(_is_running, plan),
            options["interval"],
            as_json=options["as_json"],
            table=table_of,
        )
        if options["as_json"]:
            return 0
    end = standing(plan)
    if options["as_json"]:
        print_json({"plan": str(plan.path), **end.as_dict()})
        return 0
    undone = undone_steps(end)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
    print_lines([*table_of(end, width, is_undone=bool(undone)), *undone])
    for one in end.steps:
        if one.summary is None:
            continue
        if one.reason:
            print_lines([f"{one.name}: {one.state}: {printable(one.reason)}"])
    if end.state not in {COMPLETE, RUNNING}:
        print_lines([continue_line(plan, end)])
    return 0


def _is_running(plan: Plan) -> bool:
    """Whether a process works on a plan, or on one of its steps."""
    locks = [record_path(plan.path), *map(checkpoint_of, plan.steps)]
    return any(Lock(one).is_held() for one in locks)


def _list(path: Path, lines: Callable[[Checkpoint], Iterator[Sequence[object]]]) -> None:
    with closing(Checkpoint.open(path, read_only=True)) as checkpoint:
        csv.writer(rows_out()).writerows(lines(checkpoint))


def _conflict_lines(checkpoint: Checkpoint) -> Iterator[Sequence[object]]:
    yield ("hubspot_id", "row", "key", "source")
    names = [source.name for source in checkpoint.identity().sources]
    for conflict in checkpoint.identity_conflicts():
        place = (conflict.row, conflict.key, names[conflict.source]) if conflict.row else ("unknown", "", "")
        yield (conflict.hubspot_id, *place)


def _pending_lines(checkpoint: Checkpoint) -> Iterator[Sequence[object]]:
    yield ("row", "key", "source")
    names = [source.name for source in checkpoint.identity().sources]
    for source, row, key in checkpoint.pending():
        yield (row, key, names[source])


def _not_in_list_lines(checkpoint: Checkpoint) -> Iterator[Sequence[object]]:
    yield ("hubspot_id", "row", "key", "source", "why")
    names = [source.name for source in checkpoint.identity().sources]
    with closing(ListFile(checkpoint.path)) as file:
        if not file.open(read_only=True) or file.about["job"] != checkpoint.job_id():
            return
        for row in file.nameless():
            yield ("", row.row, row.key, names[row.source], row.why)
        for hubspot_id in file.missing():
            yield (hubspot_id, "", "", "", "HubSpot has no record with this id any more")


@click.command()
@checkpoint_argument
@click.option("--json", "as_json", is_flag=True, help="Print the state as JSON.")
@click.option("--aliases", is_flag=True, help="List rows with different keys that are one contact, as CSV.")
@click.option("--pending", is_flag=True, help="List rows that HubSpot accepted and never confirmed, as CSV.")
@click.option(
    "--not-in-list", is_flag=True, help="List what --add-to-list could not put into the list, as CSV."
)
@click.option("--watch", "watched", is_flag=True, help="Show the state again and again until the job ends.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Time between two states of --watch. Default: 1 in a terminal, else 10.",
)
def command(
    checkpoint: Path,
    *,
    as_json: bool,
    aliases: bool,
    pending: bool,
    not_in_list: bool,
    watched: bool,
    interval: float | None,
) -> int:
    """Show the state of a job as of its last commit, which is at most half a second old.

    CHECKPOINT is the job's checkpoint file. The job may be running in another terminal: --watch follows it
    until it ends or is killed, and a plan with all its steps; with --json, it prints one object per line.
    """
    if watched:
        watch(checkpoint, interval, as_json=as_json, look=read_summary)
        if as_json:
            return 0
    if aliases or pending or not_in_list:
        _list(
            checkpoint,
            _conflict_lines if aliases else _pending_lines if pending else _not_in_list_lines,
        )
        return 0
    summary = read_summary(checkpoint)
    if as_json:
        undone = undone_dict(undone_before(checkpoint))
        print_json(summary.as_dict() | ({"undone": undone} if undone else {}))
    else:
        end = ending_text(summary, is_undone=is_undone(checkpoint))
        texts = [*summary_text(summary).splitlines(), end, *undone_text(checkpoint)]
        texts += opt_out_lines(summary.tallies, opt_outs_path(checkpoint))
        print_lines(texts)
        if summary.state == "stopped":
            print_lines([_next_line(checkpoint)])
    return 0
