"""The project file: the settings of a job in TOML, each under the name of its option.

    source = ["contacts.csv"]           # paths are relative to the folder of this file
    portal = 44237313
    match = ["email", "external_id"]
    snapshot = true

    [columns]                           # as in a mapping file, with the keys that it has for all columns
    "E-mail Address" = "email"

A file with `[[step]]` tables is a plan (`cli/plans`); `plan.toml#contacts` is the project file of a step.

`cli/project_reading` reads it. Here its values become the defaults of a command's options and variables, and
the words of printed commands.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from uploader.cli.options.group import Command, Heading, option
from uploader.cli.options.parameters import NOT_IN_A_FILE, as_words, option_of
from uploader.cli.options.project import PROJECT_OPTION, Plan, Project, step_named
from uploader.cli.text.next_command import ACCOUNT, account_words, given_account
from uploader.errors import SettingsError, UploaderError

_IN_USE, _PLAN_IN_USE, _STEP_IN_USE = "uploader.project", "uploader.plan", "uploader.step"
_TYPED = "uploader.typed"
_CHECKPOINT = "CHECKPOINT"
#: Commands that take of a plan only what holds for all steps, such as the account.
_OF_ACCOUNT = frozenset({"create-properties"})
#: Commands that take a plan, and go through its steps.
OVER_STEPS = frozenset(
    {"migrate", "check", "preview", "status", "failures", "verify", "report", "undo", "purge"}
)


def project_in_use(context: click.Context | None = None) -> Project | None:
    """The project file of the current command; None without one."""
    context = context or click.get_current_context(silent=True)
    found = context.meta.get(_IN_USE) if context else None
    return found if isinstance(found, Project) else None


def plan_in_use(context: click.Context) -> Plan | None:
    """The plan of the current command, if it is to go through all steps; else None."""
    found = context.meta.get(_PLAN_IN_USE)
    return found if isinstance(found, Plan) and step_in_use(context) is None else None


def step_in_use(context: click.Context) -> Project | None:
    """The step of the plan that the current command is at; None if it does not go through a plan."""
    found = context.meta.get(_STEP_IN_USE)
    return found if isinstance(found, Project) else None


@contextmanager
def as_step(context: click.Context, step: Project) -> Iterator[None]:
    """Within, a command that names the plan is one of this step."""
    context.meta[_STEP_IN_USE] = step
    try:
        yield
    finally:
        del context.meta[_STEP_IN_USE]


def note_typed(context: click.Context, arguments: Sequence[str]) -> None:
    """Note the arguments of a command as they were typed."""
    context.meta[_TYPED] = tuple(arguments)


def typed_arguments(context: click.Context) -> Sequence[str]:
    found = context.meta.get(_TYPED, ())
    return found if isinstance(found, tuple) else ()


# --- the job ---


def project_of(checkpoint: Path, recorded: Mapping[str, Sequence[str]]) -> Project | None:
    """The project file of a job: that of this command if it leads to the job, else the one recorded."""
    context = click.get_current_context(silent=True)
    if context is None:
        return None
    project = project_in_use(context)
    if project is not None and leads_to(project, checkpoint):
        return project
    if PROJECT_OPTION not in recorded:
        return None
    from uploader.cli.project_reading import read_project  # noqa: PLC0415  # many jobs have no such file

    with suppress(UploaderError):  # it may be gone, or another file by now
        for name in recorded.get(PROJECT_OPTION, ()):
            return read_project(Path(name), _upload(context))
    return None


def leads_to(project: Project, checkpoint: Path) -> bool:
    with suppress(UploaderError):
        return _is_same(checkpoint_of(project), checkpoint)
    return False


def job_words(
    checkpoint: Path,
    recorded: Mapping[str, Sequence[str]],
    *,
    account: bool = False,
    typed: Sequence[str] = (),
) -> list[object]:
    """The words that name a job: a project file that leads to it, else its checkpoint. `recorded`: options of
    the job. `account`: also name its account and token, as it records them or as they are `typed`.
    """
    project, of_account = project_of(checkpoint, recorded), given_account(recorded, typed)
    if project is None or not leads_to(project, checkpoint):
        return [checkpoint, *(account_words(of_account) if account else ())]
    name: list[object] = ["-f", project.path]
    if not account:
        return name
    by_file = {option: project.values[option] for option in ACCOUNT if option in project.values}
    if by_file.keys() - of_account.keys():
        return [checkpoint, *account_words(of_account)]  # the job was of the usual account, against the file
    same = {
        option
        for option, value in by_file.items()
        if value == of_account[option][0] or _is_same(Path(value), Path(of_account[option][0]))
    }
    return name + account_words({option: one for option, one in of_account.items() if option not in same})


def words_beyond(project: Project, words: Sequence[str]) -> list[str]:
    """Those of the words, options of `upload` and their values, that the file does not give already."""
    upload, found = _upload(click.get_current_context()), list[str]()
    source = ["any.csv"]
    typed = upload.make_context("upload", [*source, *words], resilient_parsing=True)
    by_file = upload.make_context(
        "upload", [*source, PROJECT_OPTION, str(project.path)], resilient_parsing=True
    )
    for parameter in upload.params:
        name = parameter.name or ""
        value, given = typed.params[name], by_file.params[name]
        is_typed = typed.get_parameter_source(name) is ParameterSource.COMMANDLINE
        is_given = by_file.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
        if (
            is_typed
            and not isinstance(parameter, click.Argument)
            and not (is_given and _is_same(value, given))
        ):
            found += as_words(option_of(parameter), value)
    return found


def _is_same(value: object, other: object) -> bool:
    """Whether two values are the same, or paths to the same file."""
    if isinstance(value, tuple) and isinstance(other, tuple) and len(value) == len(other):
        return all(map(_is_same, value, other))
    if isinstance(value, Path) and isinstance(other, Path):
        return os.path.abspath(value) == os.path.abspath(other)  # noqa: PTH100  # without following links
    return value == other


# --- the option ---


def _use(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """Make the values of the file the defaults of the command's other parameters."""
    del parameter
    if path is None:
        return None
    from uploader.cli.project_reading import read_project, read_project_or_plan  # noqa: PLC0415  # as above

    upload, step = _upload(context), step_in_use(context)
    try:
        takes_plans = context.info_name in OVER_STEPS | _OF_ACCOUNT
        found = step or (read_project_or_plan if takes_plans else read_project)(path, upload)
    except UploaderError:
        if context.resilient_parsing:  # a shell completes a command that is not typed yet
            return path
        raise
    if isinstance(found, Plan) and context.info_name in _OF_ACCOUNT:
        found = found.steps[0]
    _set_defaults(context, found)
    return path


def _set_defaults(context: click.Context, found: Project | Plan) -> None:
    """Make the values of a project or plan the defaults of the command. Of a plan these are of its first step
    until the command goes through the steps.
    """
    if isinstance(found, Plan):
        context.meta[_PLAN_IN_USE] = found
    project = found.steps[0] if isinstance(found, Plan) else found
    context.meta[_IN_USE] = project
    context.default_map = _defaults(context, project)


def _defaults(context: click.Context, project: Project) -> dict[str, Any]:
    """The values by the names of this command's parameters."""
    found: dict[str, Any] = {}
    for one in context.command.params:
        name = option_of(one)
        if name in project.values:
            found[one.name or ""] = project.values[name]
        elif name == _CHECKPOINT and not context.resilient_parsing:
            found[one.name or ""] = lambda: str(checkpoint_of(project, context))
    return found


def _upload(context: click.Context) -> click.Command:
    root = context.find_root().command
    found = root.get_command(context, "upload") if isinstance(root, click.Group) else root
    assert found is not None
    return found


def upload_context(path: Path) -> click.Context:
    """The context of `upload` with this project file, with the variables that are set, and with what is typed
    and no file may hold.
    """
    upload = _upload(click.get_current_context())
    return upload.make_context("upload", [PROJECT_OPTION, str(path), *words_beside_file()])


def words_beside_file() -> list[str]:
    """The typed options of the current command that no project file may hold, with their values."""
    context, words = click.get_current_context(silent=True), list[str]()
    if context is None:
        return words
    for one in context.command.params:
        name = one.name or ""
        is_typed = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if is_typed and option_of(one) in NOT_IN_A_FILE:
            words += as_words(option_of(one), context.params[name])
    return words


def checkpoint_of(project: Project, context: click.Context | None = None) -> Path:
    """The checkpoint of the job that `upload` runs with this file, and with the variables that are set."""
    from uploader.settings import Settings  # noqa: PLC0415  # as above

    words = [PROJECT_OPTION, str(project.path)]
    context = context or click.get_current_context()
    values = _upload(context).make_context("upload", words, resilient_parsing=True).params
    if not values.get("sources"):
        raise SettingsError(f"{PROJECT_OPTION} {project.path}: no source, so name the {_CHECKPOINT}")
    places = {name: values[name] for name in ("checkpoint", "checkpoint_dir")}
    sources, name = values["sources"], project.job_name
    return Settings(sources=sources, token="", offline=True, job_name=name, **places).checkpoint_path


PROJECT = option(
    Heading.SOURCE,
    "-f",
    PROJECT_OPTION,
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    is_eager=True,
    callback=_use,
    help="Project file, as drafted by init: its keys are options. Options and variables take "
    "precedence over it.",
)


def _use_plan(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    del parameter
    if path is None or context.resilient_parsing:
        return path
    from uploader.cli.project_reading import read_plan  # noqa: PLC0415  # as above

    if step_named(path)[1] and not path.exists():
        raise SettingsError(f"{path} is one step, and migrate runs all; for one, use upload with -f {path}")
    _set_defaults(context, read_plan(path, _upload(context)))
    return path


PLAN = click.argument(
    "plan",
    required=False,
    type=click.Path(path_type=Path),
    metavar="PLAN.toml",
    is_eager=True,
    callback=_use_plan,
)


def checkpoint_argument(command: Command) -> Command:
    """Add the argument CHECKPOINT, and the project file that may name the job instead."""
    return click.argument("checkpoint", type=click.Path(path_type=Path))(PROJECT(command))
