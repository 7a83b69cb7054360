"""The project file: the settings of a job in TOML, each under the name of its option.

    source = ["contacts.csv"]           # paths are relative to the folder of this file
    portal = 44237313
    match = ["email", "external_id"]
    snapshot = true

    [columns]                           # as in a mapping file, with the keys that it has for all columns
    "E-mail Address" = "email"

In    the text of a file, and the parameters of `upload`: these are the keys.
Out   a value for each key, as click's `default_map` takes them: options and variables take precedence.
Raise `SettingsError`, which gives the line.
"""

import glob
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from uploader.cli.options.group import Command, Heading, option
from uploader.cli.options.parameters import ONE_RUN, as_taken, as_words, key_of, option_of, taken_by
from uploader.cli.suggestions import suggestions
from uploader.cli.text.next_command import ACCOUNT, account_words, given_account
from uploader.cli.text_file import read_text
from uploader.errors import SettingsError, UploaderError
from uploader.records.mapping_file import MappingFile

PROJECT_OPTION = "--project"
_IN_USE = "uploader.project"
_SOURCE, _CHECKPOINT = "SOURCE", "CHECKPOINT"
_SECRET = re.compile(r"token|secret|password|api_?key")


@dataclass(frozen=True, slots=True)
class Project:
    """A project file that was read."""

    path: Path
    mapping: MappingFile = field(repr=False)
    values: Mapping[str, Any] = field(default_factory=dict)  #: by option, such as `--portal`; or `SOURCE`
    lines: Mapping[str, int] = field(default_factory=dict)  #: of each option

    def place_of(self, option: str) -> str:
        return f"line {self.lines[option]} of {self.path}" if option in self.lines else str(self.path)


def project_in_use(context: click.Context | None = None) -> Project | None:
    """The project file of the current command; None without one."""
    context = context or click.get_current_context(silent=True)
    found = context.meta.get(_IN_USE) if context else None
    return found if isinstance(found, Project) else None


def read_project(path: Path, upload: click.Command) -> Project:
    """Read a project file. `upload`: the command whose parameters are the keys."""
    from uploader.records.columns import MappingError  # noqa: PLC0415  # only where there is a file
    from uploader.records.mapping_file import key_schemas, parse_mapping  # noqa: PLC0415

    text = read_text(path, PROJECT_OPTION)
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

    try:
        mapping = parse_mapping(text, takes)
    except MappingError as error:
        raise SettingsError(f"{PROJECT_OPTION} {path}: {error}") from error
    values, lines = {}, {}
    for key, value in others.items():
        line = _line_of(key, text)
        where = f"{PROJECT_OPTION} {path}: line {line}: "
        if key not in known:
            raise SettingsError(f"{where}{_unknown_text(key, known)}")
        name = option_of(known[key])
        values[name], lines[name] = _value_of(known[key], value, where, path.parent), line
    if "--mapping" in values and mapping != MappingFile():
        raise SettingsError(
            f"{PROJECT_OPTION} {path}: line {lines['--mapping']}: mapping names a file for the columns, "
            "and this file describes columns itself; keep one of them"
        )
    return Project(path, mapping, values, lines)


def _line_of(key: str, text: str) -> int:
    """The line of a top-level key. The TOML parser keeps no line numbers."""
    pattern = re.compile(rf"""^[ \t]*\[?[ \t]*["']?{re.escape(key)}\b""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


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
    try:
        project = read_project(path, _upload(context))
    except UploaderError:
        if context.resilient_parsing:  # a shell completes a command that is not typed yet
            return path
        raise
    context.meta[_IN_USE] = project
    context.default_map = _defaults(context, project)
    return path


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
    return Settings(sources=values["sources"], token="", offline=True, **places).checkpoint_path


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


def checkpoint_argument(command: Command) -> Command:
    """Add the argument CHECKPOINT, and the project file that may name the job instead."""
    return click.argument("checkpoint", type=click.Path(path_type=Path))(PROJECT(command))
