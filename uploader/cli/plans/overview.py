"""A plan as its checkpoints have it, for `status` and `report`. Nothing is sent."""

from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from uploader.canary.planning import UNDONE
from uploader.cli.options.project import Plan, Project
from uploader.cli.project_file import checkpoint_of
from uploader.cli.text.next_command import (
    account_words,
    command_line,
    given_account,
    is_given,
    next_command,
    seen_from,
)
from uploader.cli.text.undo_state import undone_text
from uploader.plans.earlier_jobs import earlier_job
from uploader.plans.ending import PlanEnd, StepEnd
from uploader.plans.record import ROWS_COMPLETE, WAITING
from uploader.plans.record_file import record_path
from uploader.settings import Settings
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import CHECKPOINT_ENDING
from uploader.system.private_files import Lock
from uploader.undo.job.state import has_to_begin_anew


def standing(plan: Plan) -> PlanEnd:
    """How the steps stand as of their last commits."""
    is_running = Lock(record_path(plan.path)).is_held()  # before the steps are read: one may end meanwhile
    steps = [_standing(one, checkpoint_of(one), is_running=is_running) for one in plan.steps]
    return PlanEnd(steps, is_running=is_running)


def _standing(step: Project, checkpoint: Path, *, is_running: bool) -> StepEnd:
    object_type = str(step.values.get("--object-type", "contacts"))
    job = earlier_job(_of_job(checkpoint))
    meanwhile = ""
    if is_running and job and not job.is_running and not job.is_complete:
        meanwhile = ROWS_COMPLETE if job.has_all_rows else WAITING
    summary = job.summary() if job else None
    return StepEnd(step.step, object_type, str(checkpoint), "", summary, meanwhile=meanwhile)


def undone_steps(end: PlanEnd) -> list[str]:
    """A line for each step of which an undo was begun."""
    begun = (one for one in end.steps if one.summary is not None and Path(one.checkpoint).exists())
    return [f"{one.name}: {line}" for one in begun for line in undone_text(Path(one.checkpoint))]


def migrate_line(plan: Plan, typed: Sequence[str]) -> str:
    """The command that uploads all steps of a plan that was checked; anew if a step was undone."""
    anew = any(has_to_begin_anew(checkpoint_of(one)) for one in plan.steps) and not is_given(
        typed, "--restart"
    )
    return f"next: upload all steps: {next_command(typed, 'migrate', ['--restart'] if anew else [])}"


def continue_line(plan: Plan, end: PlanEnd) -> str:
    """The command that continues a plan, or begins it anew if the canary of a step was undone, in the account
    and with the token of the steps that were begun.
    """
    checkpoints = (path for one in end.steps if (path := Path(one.checkpoint)).exists())
    recorded: dict[str, Sequence[str]] = {}
    for path in islice(checkpoints, 1):
        with closing(Checkpoint.open(path, read_only=True)) as opened:
            recorded.update(given_account(seen_from(Path.cwd(), opened.repeated_options())))
    beside = {option: one for option, one in recorded.items() if option not in plan.steps[0].values}
    words = [plan.path, *account_words(beside)]
    if any(one.reason == UNDONE for one in end.steps):
        return f"to begin anew: {command_line('migrate', *words, '--restart')}"
    return f"to continue: {command_line('migrate', *words)}"


def account_of(end: PlanEnd) -> str:
    """The account of the steps that were begun; "" if it is not known."""
    jobs = (earlier_job(_of_job(Path(one.checkpoint))) for one in end.steps)
    return next((job.portal for job in jobs if job), "")


def _of_job(checkpoint: Path) -> Settings:
    """Settings by which the files of a job are found."""
    source = str(checkpoint).removesuffix(CHECKPOINT_ENDING)  # its other files are named after it
    return Settings(sources=(source,), checkpoint=checkpoint, token="", offline=True)
