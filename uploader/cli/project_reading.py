"""Reads project files, and plans, whose steps are project files.

In    a path, and the parameters of `upload`: these are the keys.
Out   a `Project` or a `Plan`: a value for each key, as click's `default_map` takes them.
Raise `SettingsError`, which gives the line.
"""

import glob
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from uploader.cli.options.parameters import NOT_IN_A_FILE, ONE_RUN, as_taken, key_of, option_of, taken_by
from uploader.cli.options.project import PROJECT_OPTION, SOURCE, Plan, Project, path_of, step_named
from uploader.cli.plans.sections import (
    STEP,
    Section,
    SectionError,
    line_of,
    section_called,
    sections_of,
)
from uploader.cli.suggestions import suggestions
from uploader.errors import SettingsError
from uploader.option_files.text import read_text
from uploader.records.columns import MappingError
from uploader.records.mapping_file import MappingFile, key_schemas, mapping_of, parse_document
from uploader.settings import Settings
from uploader.sources import database_urls
from uploader.sources.names import STDIN, is_pattern, is_url, shown
from uploader.system.same_place import place_of

_SECRET = re.compile(r"token|secret|password|api_?key")


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
    written: dict[str, str] = {}  # by place, the step
    for one in steps:
        if SOURCE not in one.values:
            raise SettingsError(f"{PROJECT_OPTION} {one.file}: step {one.step} has no source")
        is_taken = not written.keys().isdisjoint(map(place_of, _own_files(one)))
        named = replace(one, job_name=one.step) if is_taken else one
        for path in _own_files(named):
            if other := written.get(place_of(path)):
                raise SettingsError(
                    f"{PROJECT_OPTION} {one.file}: the steps {other} and {one.step} would both write {path}; "
                    "give one of them another file"
                )
            written[place_of(path)] = one.step
        found.append(named)
    for one in found:
        for source in map(os.path.abspath, one.values[SOURCE]):
            if writer := written.get(place_of(source)):
                raise SettingsError(
                    f"{PROJECT_OPTION} {one.file}: step {one.step} has the source {source}, which step "
                    f"{writer} writes"
                )
    _refuse_later_results(found, written)
    return found


def _refuse_later_results(steps: Sequence[Project], written: Mapping[str, str]) -> None:
    """SettingsError if links need the results of a step that is not over when theirs begins. `written`: by
    place, the step that writes it.
    """
    names = [one.step for one in steps]
    for number, one in enumerate(steps):
        for link in one.mapping.associations:
            writer = written.get(place_of(one.file.parent / link.results)) if link.results else None
            if writer is not None and names.index(writer) >= number:
                raise SettingsError(
                    f"{PROJECT_OPTION} {one.file}: step {one.step}: {link.column!r} needs the results of "
                    f'step {writer}, which does not come before it; use {{ step = "{writer}" }}, which needs '
                    "none"
                )


def _own_files(project: Project) -> list[str]:
    """The absolute paths of checkpoint and results file, as far as the project file decides on them."""

    def path(option: str) -> Path | None:
        return Path(project.values[option]) if option in project.values else None

    settings = Settings(
        sources=tuple(project.values[SOURCE]),
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
    if name in NOT_IN_A_FILE:
        raise SettingsError(f"{where}{key} does not belong here: {NOT_IN_A_FILE[name]}")
    try:
        found: Any = as_taken(value, taken)
    except ValueError as error:
        raise SettingsError(f"{where}{key} must be {error}") from error
    if name == SOURCE:
        return [_source_in(folder, text, where) for text in found]
    if taken.is_path:
        return [_path_in(folder, text) for text in found] if taken.is_list else _path_in(folder, found)
    return found


def _path_in(folder: Path, name: str) -> str:
    return str(folder / os.path.expanduser(name))  # noqa: PTH111  # a Path raises where there is no home


def _source_in(folder: Path, name: str, where: str) -> str:

    if is_url(name) and shown(name) != name:
        raise SettingsError(
            f"{where}source: the part of this URL behind {shown(name)} may be a secret, which a project file "
            "must not hold; give the URL on the command line"
        )
    if database_urls.is_database(name):
        return database_urls.in_folder(name, str(folder))
    if name == STDIN or is_url(name):
        return name
    fixed = Path(glob.escape(str(folder))) if is_pattern(name) else folder
    return _path_in(fixed, name)
