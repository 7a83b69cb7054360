"""A command that is given a plan goes through its steps: for each it does what it does for a project file.

`undo` takes them from the last to the first. Steps that were not begun are left out, unless a command needs
no job. What a command does with a plan besides, it registers here.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from uploader.cli.logs import is_json, print_message
from uploader.cli.options.project import Plan, Project
from uploader.cli.output import collected_documents, print_json, print_lines
from uploader.cli.plans.overview import account_of, standing
from uploader.cli.project_file import as_step, checkpoint_of, typed_arguments
from uploader.cli.typed_answer import answer
from uploader.errors import DeclinedError, SettingsError, UploaderError

#: Commands that need no job: they read the sources.
_READ_SOURCES = frozenset({"check", "preview"})
_FROM_THE_LAST = frozenset({"undo"})
#: Commands that change something: an error of one step ends them.
_CHANGE = frozenset({"undo", "purge"})
#: Options whose file each step has for itself.
_FILES = ("output", "html", "write_mapping", "write_owner_map", "write_properties")
#: Commands whose results on stdout begin with the name of the step.
_NAMED = frozenset({"check", "preview", "verify", "undo", "purge"})
#: Commands that ask, and what they ask.
_ASKED = {
    "undo": "account {}: archive what these jobs created, and restore what they changed, in this order?",
    "purge": "delete the files of these jobs, of account {}?",
}
_FINE = frozenset({0, 1})

Work = TypeVar("Work", bound=Callable[..., Any])
_INSTEAD: dict[str, Callable[[Plan, dict[str, Any]], int]] = {}
_BEFORE: dict[str, Callable[[Sequence[tuple[Project, Path]], dict[str, Any]], None]] = {}
_MORE: dict[str, Callable[[click.Context], Mapping[str, object]]] = {}
_AFTER: dict[str, Callable[[Plan, dict[str, Any], int], int]] = {}


def instead_of_steps(command: str) -> Callable[[Work], Work]:
    """Register what a command does with a plan, given the values of its options: it returns the exit code."""
    return _registered(_INSTEAD, command)


def before_steps(command: str) -> Callable[[Work], Work]:
    """Register what a command looks at before the first step: given the steps and their checkpoints."""
    return _registered(_BEFORE, command)


def more_as_json(command: str) -> Callable[[Work], Work]:
    """Register what the JSON of a command has of a plan, beside its steps."""
    return _registered(_MORE, command)


def after_steps(command: str) -> Callable[[Work], Work]:
    """Register what a command does after the last step: given the plan, the values of its options and the
    exit code so far, the exit code.
    """
    return _registered(_AFTER, command)


def _registered(where: dict[str, Any], command: str) -> Callable[[Work], Work]:
    def register(work: Work) -> Work:
        where[command] = work
        return work

    return register


def over_steps(plan: Plan, context: click.Context) -> int:
    """Run the command of this context for all steps of its plan."""
    name = context.info_name or ""
    for job in ("checkpoint", "sources"):
        given = context.get_parameter_source(job)
        if job in context.params and given in {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}:
            raise SettingsError(
                f"{plan.path} is a plan, so leave the {'CHECKPOINT' if job == 'checkpoint' else 'SOURCE'} "
                f"out; for one step: -f {plan.steps[0].path}"
            )
    if name in _INSTEAD:
        return _INSTEAD[name](plan, context.params)
    begun = begun_steps(plan, needs_job=name not in _READ_SOURCES)
    if name in _BEFORE:
        _BEFORE[name](begun, context.params)
    if name in _FROM_THE_LAST:
        begun = begun[::-1]
    code = _each(begun, context, name, is_approved=_is_approved(plan, begun, context, name))
    return _AFTER[name](plan, context.params, code) if name in _AFTER else code


def begun_steps(plan: Plan, *, needs_job: bool = True) -> list[tuple[Project, Path]]:
    """The steps with their checkpoints. Steps that were not begun are left out, and named. SettingsError if
    none is left.
    """
    both = [(one, checkpoint_of(one)) for one in plan.steps]
    if not needs_job:
        return both
    for one, path in both:
        if not path.exists():
            print_message(f"step {one.step} is left out: it was not begun (there is no {path})")
    found = [(one, path) for one, path in both if path.exists()]
    if not found:
        raise SettingsError(f"{plan.path}: no step was begun yet")
    return found


def _is_approved(
    plan: Plan, steps: Sequence[tuple[Project, Path]], context: click.Context, name: str
) -> bool:
    """Ask once for all steps, where each would ask at the terminal. DeclinedError if the user declines."""
    needs_none = context.params.get("yes") or context.params.get("dry_run")
    if name not in _ASKED or needs_none or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    account = account_of(standing(plan)) or "unknown"
    for step, path in steps:
        print_message(f"  {step.step}: {path}")
    print_message(f"{_ASKED[name].format(account)} [y/N] ", end="")
    if asyncio.run(answer()).strip().lower() not in {"y", "yes"}:
        raise DeclinedError("nothing was done")
    return True


def _each(
    steps: Sequence[tuple[Project, Path]], context: click.Context, name: str, *, is_approved: bool
) -> int:
    codes: list[int] = []
    errors: list[UploaderError] = []
    as_json = bool(context.params.get("as_json"))
    with collected_documents(context) as documents:
        for step, _ in steps:
            if name in _NAMED and not as_json and not is_json():
                print_lines([f"--- {step.step}"])
            before = len(documents)
            try:
                codes.append(_one(step, context, is_approved=is_approved))
            except UploaderError as error:
                error.args = (f"step {step.step}: {error}",)
                codes.append(error.exit_code)
                errors.append(error)
            about = {"name": step.step, "exit_code": codes[-1]}
            documents[before:] = [about | one for one in documents[before:] or [{}]]
            if name in _CHANGE and codes[-1] not in _FINE:
                break
            if codes[-1] > 128:  # interrupted
                break
    if as_json:
        print_json({"steps": documents, **(_MORE[name](context) if name in _MORE else {})})
    for other in errors[:-1]:
        print_message(f"uploader: {other}")
    if errors:
        raise errors[-1]
    stops = [code for code in codes if code not in _FINE]
    return next((code for code in stops if code != 75), max(codes))


def _one(step: Project, context: click.Context, *, is_approved: bool) -> int:
    """Run the command for a step, as if that had been named."""
    with as_step(context, step), _typed(step):
        arguments = list(typed_arguments(context))
        one = context.command.make_context(context.info_name, arguments, parent=context.parent)
        if is_approved:
            one.params["yes"] = True
        for name in _FILES:
            path = one.params.get(name)
            if isinstance(path, Path) and str(path) != "-":
                one.params[name] = path.with_name(f"{path.stem}.{step.step}{path.suffix}")
        with one:
            code = context.command.invoke(one)
    return code if isinstance(code, int) else 0


@contextmanager
def _typed(step: Project) -> Iterator[None]:
    """Let the printed next commands name the step: they are made of the words that were typed."""
    before = sys.argv
    names = {str(step.file), f"--project={step.file}", f"-f{step.file}"}
    words = [str(step.path) if word in names else word for word in before]
    sys.argv = words if words != before else [*before, "-f", str(step.path)]
    try:
        yield
    finally:
        sys.argv = before
