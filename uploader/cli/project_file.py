"""The project file: the settings of a job in TOML, each under the name of its option.

    source = ["contacts.csv"]           # paths are relative to the folder of this file
    portal = 44237313
    match = ["email", "external_id"]
    snapshot = true

    [columns]                           # as in a mapping file, with the keys that it has for all columns
    "E-mail Address" = "email"

A file with `[[step]]` tables is a plan (`cli/plans`); `plan.toml#contacts` is the project file of a step.

In    the text of a file, and the parameters of `upload`: these are the keys.
Out   a value for each key, as click's `default_map` takes them: options and variables take precedence.
Raise `SettingsError`, which gives the line.
"""

import glob
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from uploader.cli.options.group import Command, Heading, option
from uploader.cli.options.parameters import ONE_RUN, as_taken, as_words, key_of, option_of, taken_by
from uploader.cli.plans.sections import (
    STEP,
    Section,
    SectionError,
    line_of,
    path_of,
    section_called,
    sections_of,
    step_named,
)
from uploader.cli.suggestions import suggestions
from uploader.cli.text.next_command import ACCOUNT, account_words, given_account
from uploader.cli.text_file import read_text
from uploader.errors import SettingsError, UploaderError
from uploader.records.mapping_file import MappingFile

PROJECT_OPTION = "--project"
_IN_USE, _PLAN_IN_USE, _STEP_IN_USE = "uploader.project", "uploader.plan", "uploader.step"
_TYPED = "uploader.typed"
_SOURCE, _CHECKPOINT = "SOURCE", "CHECKPOINT"
#: Commands that take a plan, and go through its steps.
OVER_STEPS = frozenset(
    {"migrate", "check", "preview", "status", "failures", "verify", "report", "undo", "purge"}
)
_SECRET = re.compile(r"token|secret|password|api_?key")


@dataclass(frozen=True, slots=True)
class Project:
    """A project file that was read, or a step of a plan."""

    path: Path  #: of a step `plan.toml#step`
    mapping: MappingFile = field(repr=False)
    values: Mapping[str, Any] = field(default_factory=dict)  #: by option, such as `--portal`; or `SOURCE`
    lines: Mapping[str, int] = field(default_factory=dict)  #: of each option
    step: str = ""  #: "" if it is no step
    job_name: str = (
        ""  #: part of the names of the job's files, where those of an earlier step would be the same
    )

    @property
    def file(self) -> Path:
        """The file with its text."""
        return step_named(self.path)[0] if self.step else self.path

    def place_of(self, option: str) -> str:
        return f"line {self.lines[option]} of {self.file}" if option in self.lines else str(self.path)


@dataclass(frozen=True, slots=True)
class Plan:
    """A file with steps that was read."""

    path: Path
    steps: Sequence[Project]


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


def read_project(path: Path, upload: click.Command) -> Project:
    """Read a project file, or a step of a plan. `upload`: the command whose parameters are the keys."""
    found = read_project_or_plan(path, upload)
    if isinstance(found, Project):
        return found
    raise SettingsError(
        f"{path} is a plan of {len(found.steps)} steps, which migrate runs; for one of them, add its name: "
        f"-f {shlex.quote(str(found.steps[0].path))}"
    )


def read_plan(path: Path, upload: click.Command) -> Plan:
    """Read a plan."""
    found = read_project_or_plan(path, upload)
    if isinstance(found, Plan):
        return found
    raise SettingsError(f"{path} is no plan: it has no [[step]]. Upload it by itself, with upload -f")


def read_project_or_plan(path: Path, upload: click.Command) -> Project | Plan:
    """Read a file that is one or the other."""
    from uploader.records.columns import MappingError  # noqa: PLC0415  # only where there is a file
    from uploader.records.mapping_file import parse_document  # noqa: PLC0415

    file, step = (path, "") if path.exists() else step_named(path)
    text = read_text(file, PROJECT_OPTION)
    lines = text.splitlines()
    try:
        document = parse_document(text)
        if STEP not in document:
            if step:
                raise SettingsError(f"{PROJECT_OPTION} {path}: {file} is no plan: it has no [[step]]")
            return _project(path, file, Section("", document, lines), upload)
        sections = sections_of(document, lines)
        if step:
            section_called(sections, step)
        plan = _with_names([_project(path_of(file, one.name), file, one, upload) for one in sections])
    except (MappingError, SectionError) as error:
        raise SettingsError(f"{PROJECT_OPTION} {file}: {error}") from error
    return next(one for one in plan if one.step == step) if step else Plan(file, plan)


def _project(path: Path, file: Path, section: Section, upload: click.Command) -> Project:
    """Raise MappingError or SettingsError."""
    from uploader.records.mapping_file import MappingFile, key_schemas, mapping_of  # noqa: PLC0415  # as above

    known = {key_of(one): one for one in upload.params if option_of(one) != PROJECT_OPTION}
    of_columns, others = key_schemas()[0], dict[str, object]()

    def takes(key: str, value: object) -> bool:
        """Whether it is not of a mapping file, which has one text for all columns, or a table."""
        is_table = of_columns.get(key, {}).get("type") == "object"
        is_option = not isinstance(value, dict) if is_table else isinstance(value, list)
        is_other = key not in of_columns or (key in known and is_option)
        if is_other:
            others[key] = value
        return is_other

    mapping = mapping_of(section.document, section.lines, takes)
    values, lines = {}, {}
    for key, value in others.items():
        line = line_of(key, section.lines)
        where = f"{PROJECT_OPTION} {file}: line {line}: "
        if key not in known:
            raise SettingsError(f"{where}{_unknown_text(key, known)}")
        name = option_of(known[key])
        values[name], lines[name] = _value_of(known[key], value, where, file.parent), line
    if "--mapping" in values and mapping != MappingFile():
        raise SettingsError(
            f"{PROJECT_OPTION} {file}: line {lines['--mapping']}: mapping names a file for the columns, "
            "and this file describes columns itself; keep one of them"
        )
    return Project(path, mapping, values, lines, section.name)


def _with_names(steps: Sequence[Project]) -> list[Project]:
    """The steps of a plan, of which no two write the same files: the first one that reads a file has the
    files that `upload` would write, later ones have files with their names. SettingsError if files are the
    same all the same, or if a step reads what one writes.
    """
    found: list[Project] = []
    written: dict[str, str] = {}  # by path, the step
    for one in steps:
        if _SOURCE not in one.values:
            raise SettingsError(f"{PROJECT_OPTION} {one.file}: step {one.step} has no source")
        is_taken = not written.keys().isdisjoint(_own_files(one))
        named = replace(one, job_name=one.step) if is_taken else one
        for path in _own_files(named):
            if other := written.get(path):
                raise SettingsError(
                    f"{PROJECT_OPTION} {one.file}: the steps {other} and {one.step} would both write {path}; "
                    "give one of them another file"
                )
            written[path] = one.step
        found.append(named)
    for one in found:
        for source in map(os.path.abspath, one.values[_SOURCE]):
            if source in written:
                raise SettingsError(
                    f"{PROJECT_OPTION} {one.file}: step {one.step} has the source {source}, which step "
                    f"{written[source]} writes"
                )
    _refuse_later_results(found, written)
    return found


def _refuse_later_results(steps: Sequence[Project], written: Mapping[str, str]) -> None:
    """SettingsError if links need the results of a step that is not over when theirs begins. `written`: by
    path, the step that writes it.
    """
    names = [one.step for one in steps]
    for number, one in enumerate(steps):
        for link in one.mapping.associations:
            writer = written.get(os.path.abspath(one.file.parent / link.results)) if link.results else None  # noqa: PTH100  # as above
            if writer is not None and names.index(writer) >= number:
                raise SettingsError(
                    f"{PROJECT_OPTION} {one.file}: step {one.step}: {link.column!r} needs the results of step "
                    f'{writer}, which does not come before it; use {{ step = "{writer}" }}, which needs none'
                )


def _own_files(project: Project) -> list[str]:
    """The absolute paths of checkpoint and results file, as far as the project file decides on them."""
    from uploader.settings import Settings  # noqa: PLC0415  # as above

    def path(option: str) -> Path | None:
        return Path(project.values[option]) if option in project.values else None

    settings = Settings(
        sources=tuple(project.values[_SOURCE]),
        token="",
        offline=True,
        checkpoint=path("--checkpoint"),
        checkpoint_dir=path("--checkpoint-dir"),
        results=path("--results"),
        write_results=not project.values.get("--no-results"),
        job_name=project.job_name,
    )
    return [os.path.abspath(one) for one in (settings.checkpoint_path, settings.results_path) if one]  # noqa: PTH100  # without following links


def _unknown_text(key: str, known: Mapping[str, click.Parameter]) -> str:
    if _SECRET.search(key):
        return (
            f"{key} does not belong here: a project file holds no secrets. Set HUBSPOT_ACCESS_TOKEN, or name "
            "a file that only you can read with token_file or oauth_file"
        )
    alike = suggestions(key, known)
    return f"unknown key {key!r}; " + (
        f"did you mean {' or '.join(alike)}?" if alike else "a key is the name of an option of upload, with _"
    )


def _value_of(parameter: click.Parameter, value: object, where: str, folder: Path) -> Any:  # noqa: ANN401  # of any kind
    key, name, taken = key_of(parameter), option_of(parameter), taken_by(parameter)
    if name in ONE_RUN:
        raise SettingsError(
            f"{where}{key}: {name} is accepted on the command line only; in a file it would {ONE_RUN[name]}"
        )
    try:
        found: Any = as_taken(value, taken)
    except ValueError as error:
        raise SettingsError(f"{where}{key} must be {error}") from error
    if name == _SOURCE:
        return [_source_in(folder, text, where) for text in found]
    if taken.is_path:
        return [_path_in(folder, text) for text in found] if taken.is_list else _path_in(folder, found)
    return found


def _path_in(folder: Path, name: str) -> str:
    return str(folder / os.path.expanduser(name))  # noqa: PTH111  # a Path raises where there is no home


def _source_in(folder: Path, name: str, where: str) -> str:
    from uploader.sources.names import STDIN, is_pattern, is_url, shown  # noqa: PLC0415  # as above

    if is_url(name) and shown(name) != name:
        raise SettingsError(
            f"{where}source: the part of this URL behind {shown(name)} may be a secret, which a project file "
            "must not hold; give the URL on the command line"
        )
    if name == STDIN or is_url(name):
        return name
    fixed = Path(glob.escape(str(folder))) if is_pattern(name) else folder
    return _path_in(fixed, name)


# --- the job ---


def project_of(checkpoint: Path, recorded: Mapping[str, Sequence[str]]) -> Project | None:
    """The project file of a job: that of this command if it leads to the job, else the one recorded."""
    context = click.get_current_context(silent=True)
    if context is None:
        return None
    project = project_in_use(context)
    if project is not None and leads_to(project, checkpoint):
        return project
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
    upload, step = _upload(context), step_in_use(context)
    try:
        takes_plans = context.info_name in OVER_STEPS
        found = step or (read_project_or_plan if takes_plans else read_project)(path, upload)
    except UploaderError:
        if context.resilient_parsing:  # a shell completes a command that is not typed yet
            return path
        raise
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
    """The context of `upload` with this project file, and with the variables that are set."""
    upload = _upload(click.get_current_context())
    return upload.make_context("upload", [PROJECT_OPTION, str(path)])


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
