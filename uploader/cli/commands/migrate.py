"""`uploader migrate`: run the steps of a plan, one after the other, as one."""

import asyncio
import contextlib
import gc
import shutil
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from uploader.cli.commands.failures import failures_command, top_reasons
from uploader.cli.commands.upload import command as upload, fast_loop
from uploader.cli.logs import configure_messages, is_json, note_event, print_message
from uploader.cli.options.group import CommandLike
from uploader.cli.options.project import Plan, path_of
from uploader.cli.output import print_json, print_lines
from uploader.cli.plans.overview import undone_steps
from uploader.cli.plans.step_settings import settings_of, typed_words
from uploader.cli.plans.watcher import Watcher
from uploader.cli.project_file import PLAN, plan_in_use, project_in_use
from uploader.cli.summary_file import SummaryFile
from uploader.cli.text.next_command import account_words, command_line, given_account
from uploader.cli.text.plan import WIDE, plan_ending, table_of
from uploader.cli.text.summary import missing_links_lines, opt_out_lines
from uploader.errors import SettingsError
from uploader.jobs.summary import Summary
from uploader.plans.ending import PlanEnd, StepEnd
from uploader.plans.record import COMPLETE, NOT_STARTED
from uploader.plans.record_file import record_path
from uploader.plans.run import PlanRun, Step
from uploader.storage.file_names import opt_outs_path
from uploader.system.stop_signals import stop_on_signals


@click.command(cls=CommandLike, like=upload, takes_all=True)
@PLAN
def command(
    plan: Path | None,
    *,
    log_format: str,
    verbose: bool,
    as_json: bool,
    summary_file: Path | None,
    yes: bool,
    **_: Any,  # noqa: ANN401  # the steps read them again
) -> int:
    """Run the steps of a plan, such as companies, contacts and deals. The same command again resumes it.

    PLAN.toml is a project file with a [[step]] table for each object; keys above the steps hold for all.
    First all steps are checked, as `check` does: if one has a problem, nothing is written. Then it asks once,
    and uploads the steps in their order. A step that stops blocks the next ones.

    Takes every option of upload, for all steps; see `uploader upload --help`.

    \b
    Exit codes:
      0        every row of every step created, updated, unchanged or skipped
      1        finished; some rows failed or are pending
      2        wrong usage, or a step cannot start
      3        a step waits for approval of its canary
      75       stopped; run the same command again later
      78       stopped; solve the reported problem, then run it again
      130/143  interrupted by SIGINT/SIGTERM
    """
    context = click.get_current_context()
    found = _plan_of(plan, context)
    file = SummaryFile(summary_file) if summary_file else None
    configure_messages(log_format, verbose=verbose)
    with file.recording_errors() if file else contextlib.nullcontext():
        words = typed_words(context)
        steps = [Step(one.step, settings_of(one, words)) for one in found.steps]
        if file:
            for step in steps:
                file.check(step.settings)
        gc.freeze()  # what is loaded by now stays
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            run = PlanRun(found.path, steps, Watcher(found.path.name, steps, yes=yes))
            end = runner.run(_run(run))
    code = file.write(end) if file else end.exit_code
    if run.was_finished:
        print_message("nothing was sent: all steps are finished already (to run them again: --restart)")
    _report(end, found.path, steps, as_json=as_json)
    return code


def _plan_of(named: Path | None, context: click.Context) -> Plan:
    found, project = plan_in_use(context), project_in_use(context)
    option = context.params.get("project")
    if named is not None and option is not None:
        raise SettingsError("name the plan once, as PLAN.toml or with -f")
    if found is not None:
        return found
    if project is not None:
        raise SettingsError(f"{project.path} is no plan, or is one step of one; upload runs it, with -f")
    raise SettingsError("name the plan: a project file with [[step]] tables")


async def _run(run: PlanRun) -> PlanEnd:
    stop_on_signals(partial(_interrupt, run))
    return await run.run()


def _interrupt(run: PlanRun, number: signal.Signals) -> None:
    run.stop(number)
    print_message("stopping: waiting for the replies to requests in flight (interrupt again to stop at once)")


def _report(end: PlanEnd, plan: Path, steps: list[Step], *, as_json: bool) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
    undone = undone_steps(end)
    with contextlib.suppress(OSError):
        if as_json:
            print_json({"plan": str(plan), **end.as_dict()})
        elif end.state != NOT_STARTED:
            print_lines(table_of(end, width, is_undone=bool(undone)))
    for step, one in zip(steps, end.steps, strict=True):
        if one.summary is not None and step.settings.checkpoint_path.exists():
            for line in _step_lines(plan, step, one, one.summary):
                print_message(line)
    if record_path(plan).exists():
        print_message(f"record of the plan: {record_path(plan)}")
    closing = [] if undone else _closing_lines(end, plan)
    for line in [*undone, *closing, *_last_lines(end, plan, is_undone=bool(undone))]:
        print_message(line)
    if is_json():
        fields = {"exit_code": end.exit_code, **end.as_dict()}
        note_event("summary", "; ".join(plan_ending(end)), fields)


def _step_lines(plan: Path, step: Step, end: StepEnd, summary: Summary) -> Iterator[str]:
    """Where the outcomes of a step's rows are, and what to do about some."""
    checkpoint, tallies = step.settings.checkpoint_path, summary.tallies
    if end.results and Path(end.results).exists():
        yield f"{step.name}: outcome of each row: {end.results}"
    for line in opt_out_lines(tallies, opt_outs_path(checkpoint)):
        yield f"{step.name}: {line}"
    if tallies.failed:
        for reason, count in top_reasons(checkpoint):
            yield f"{count:>9,}  {reason}"
        how = failures_command(checkpoint)
        yield f"{step.name}: to correct the failed rows ({tallies.failed:,}): {how}"
    for more in summary.follow_ups.values():
        if more.failed:
            yield f"{step.name}: {more.line}"
    for line in missing_links_lines(summary, f"upload -f {path_of(plan, step.name)}"):
        yield f"{step.name}: {line}"


def _closing_lines(end: PlanEnd, plan: Path) -> list[str]:
    """What to do with a complete plan, with the commands; none for others."""
    if end.state != COMPLETE:
        return []
    account = account_words(given_account({}, sys.argv[1:]))
    return [
        f"compare the records with the rows: {command_line('verify', '-f', plan, *account)}",
        f"see the plan as pages: {command_line('report', '-f', plan)}",
    ]


def _last_lines(end: PlanEnd, plan: Path, *, is_undone: bool) -> list[str]:
    wrong = [one.name for one in end.steps if one.problems]
    if wrong:
        check = command_line("check", "--details", "-f", path_of(plan, wrong[0]))
        what = f"correct the problems of {', '.join(wrong)}"
        return [f"nothing was written: {what}; to see all that was found: {check}"]
    return plan_ending(end, is_undone=is_undone)
