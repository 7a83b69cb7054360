"""`uploader init`: write a project file, with the columns drafted as `check --write-mapping` does it."""

import asyncio
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from uploader.check.columns import other_type_texts
from uploader.check.report import Report
from uploader.cli.commands.check import run_check, settings_to_check
from uploader.cli.commands.schema import schema_text
from uploader.cli.commands.upload import command as upload
from uploader.cli.guide.run import guide, refuse_without_account
from uploader.cli.guide.terminal import open_terminal
from uploader.cli.logs import print_message
from uploader.cli.options.connection import PATH
from uploader.cli.options.group import CommandLike
from uploader.cli.options.parameters import NOT_IN_A_FILE, ONE_RUN, key_of, option_of, taken_by
from uploader.cli.options.project import PROJECT_OPTION
from uploader.cli.output import print_lines
from uploader.cli.project_file import words_beside_file
from uploader.cli.project_reading import read_project
from uploader.cli.text.next_command import command_line
from uploader.cli.text.project_draft import SCHEMA_FILE, beside, project_text
from uploader.errors import SettingsError
from uploader.hubspot.object_types import are_contacts, noun
from uploader.jobs.opening import open_sources
from uploader.jobs.summary import advice
from uploader.model.foreign_texts import printable
from uploader.model.records import EMAIL, OWN_ID
from uploader.option_files.text import read_text
from uploader.records.headers.recognition import recognize
from uploader.records.mapping_file import parse_mapping
from uploader.sources.names import STDIN, shown, stem
from uploader.sources.patterns import expand
from uploader.sources.source import Source
from uploader.storage.output_files import refuse_existing, write_new
from uploader.system.same_place import place_of


@click.command(cls=CommandLike, like=upload, takes_all=True)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "-f",
    PROJECT_OPTION,
    "output",
    type=PATH,
    metavar="FILE.toml",
    help="File to write. Default: the name of the first SOURCE with .toml, in the current folder.",
)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Read only the first N rows.")
@click.option(
    "--guide",
    "guided",
    is_flag=True,
    help="Ask, on a terminal, what is to be decided: columns, blanks, values, owners. A file that exists is "
    "completed.",
)
def command(
    sources: tuple[str, ...],
    *,
    output: Path | None,
    sample: int | None,
    guided: bool,
    **options: Any,  # noqa: ANN401  # those of upload
) -> int:
    """Write a project file for SOURCE: settings, and a draft of what each column means.

    Every command from check to undo takes the file with -f, and needs no other option. Nothing is written
    to HubSpot. Without a token (in HUBSPOT_ACCESS_TOKEN, or by --token-file or --token-command) only the file
    is read. An existing file is never replaced.

    With --guide it also asks about everything that is to be decided, and saves the file after each answer.
    Ctrl-C or q leaves; the same command goes on at the first column that is undecided. It can create
    properties in HubSpot, and asks before it does.

    Takes every option of upload, and writes it into the file; see `uploader upload --help`. Below are its
    own.

    \b
    Exit codes:
      0        the file is written
      1        with --guide: HubSpot has refused a property
      2        wrong usage, or it cannot be written
      75       the account could not be asked; try again later
      130/143  interrupted by SIGINT/SIGTERM
    """
    path = output or Path(f"{_name_of(sources[0])}.toml")
    _refuse_options_of_one_run()
    if guided:
        open_terminal()
    report = None
    if guided and path.exists():
        _refuse_other_settings(path, sources)
    else:
        refuse_existing(path, PROJECT_OPTION)
        _refuse_sources(sources)
        options = {"sources": sources, **options}
        key = _key_for(options)
        report = _checked({**options, **({"id_property": key.name} if key.name else {})}, sample)
        if report.end is not None:
            print_message(f"stopped: {printable(report.end.reason)}; {advice(report.end.cause)}")
            return report.exit_code
        if guided:
            refuse_without_account(report)
        _write(path, report, key, guided=guided)
    return guide(path, sample, report) if guided else 0


def _refuse_sources(sources: Sequence[str]) -> None:
    """SettingsError for a source that a project file can't name."""
    for source in sources:
        if source == STDIN:
            raise SettingsError("init needs a file: standard input can be read only once")
        if shown(source) != source:
            raise SettingsError(
                f"{shown(source)}: the rest of this URL may be a secret; init needs another source"
            )


def _refuse_other_settings(path: Path, sources: Sequence[str]) -> None:
    """SettingsError if the command line has other sources or settings than the file, which is completed."""
    project = read_project(path, upload)
    given = given_options(path.parent)
    given.pop("source")
    named = {key_of(one): option_of(one) for one in upload.params}
    listed = expand(project.values.get("SOURCE", ()), (), is_resumed=True)
    if {*map(place_of, sources)} != {*map(place_of, listed)}:
        raise SettingsError(f"{path} is about other sources: {', '.join(listed)}; name another file with -f")
    said = tomllib.loads(read_text(path, PROJECT_OPTION))
    for key, value in given.items():
        if said.get(key) != value:
            raise SettingsError(f"{path} exists and does not say {named[key]} {value}; write it there")


def _checked(options: dict[str, Any], sample: int | None) -> Report:
    return asyncio.run(run_check(settings_to_check(options), sample, examples=0, drafts=True))


class _Key(NamedTuple):
    """What rows are matched by, as far as the file tells."""

    name: str = ""  #: of a property with unique values; "": by what the options say
    column: str = ""
    system: str = ""


def _key_for(options: dict[str, Any]) -> _Key:
    """The key for records whose type has none by default, where no option names one: the ids that the system
    has for them. SettingsError if the columns are of records of another type, and none is named.
    """
    object_type = options["object_type"]
    typed = {key_of(one) for one in upload.params if _is_typed(one)}
    if typed & {"match", "id_property"}:
        return _Key()
    sources = open_sources(settings_to_check({**options, "id_property": OWN_ID}))
    if "object_type" not in typed:
        _refuse_other_types(sources, object_type)
    if are_contacts(object_type):
        return _Key()
    header = sources[0].shape.columns
    origin = recognize(header, object_type=object_type)
    column, name = origin.key_in(header)
    return _Key(name, column, origin.name)


def _refuse_other_types(sources: Sequence[Source], object_type: str) -> None:
    """SettingsError if the columns of a source are those of records of another type."""
    for source in sources:
        for text in other_type_texts(source.shape.columns, object_type):
            if len(sources) == 1:
                raise SettingsError(f"{text}, and for {noun(object_type).many} --object-type {object_type}")
            raise SettingsError(
                f"{source.name}: {text}; files of several types need a project file each, or a plan "
                "(`uploader help plans`)"
            )


def _key_lines(key: _Key, report: Report, path: Path) -> list[str]:
    """Say what rows are matched by, if nobody has named it."""
    if not key.name:
        return []
    what = f"rows are matched by {key.name}, a property for the ids of {key.system} in column {key.column!r}"
    lines = [f"{what}; to match them by another one, change id_property in {path.name}"]
    if report.schema and key.name not in report.schema.labels:
        file, more = path.with_name(f"{path.stem}.properties.toml"), words_beside_file()
        draft = command_line("check", "-f", path, "--write-properties", file, *more)
        create = command_line("create-properties", file, "-f", path, *more)
        lines += [
            f"this account has no property {key.name} yet; have it drafted, with unique = true: {draft}",
            f"then create it: {create}",
        ]
    return lines


def _write(path: Path, report: Report, key: _Key, *, guided: bool) -> None:
    draft, account = report.draft, report.account
    assert draft is not None
    if guided:  # values are drafted once the columns are decided
        draft = replace(draft, values=(), blanks=())
    shape = report.sources[0].shape
    given = given_options(path.parent)
    if shape.delimiter not in {"", ","} and len({one.shape.delimiter for one in report.sources}) == 1:
        given.setdefault("delimiter", shape.delimiter)
    if key.name:
        given["id_property"] = key.name
    match = () if given.keys() & {"match", "id_property"} else _match(report)
    write_new(path, project_text(path, given, draft, account.portal if account else "", match))
    schema = path.with_name(SCHEMA_FILE)
    if not schema.exists():
        write_new(schema, schema_text())
    file = parse_mapping(draft.columns_toml())
    columns = [one.column for one in draft.columns]
    told = {one.column for one in draft.columns if one.suppress} if "opt_outs" in given else set()
    left = len(columns) - len({*file.mapped, *file.ignored, *file.suppress_where, *file.linked, *told})
    is_refused = bool(report.account_problems) and report.schema is None
    why = "The account could not be asked" if is_refused else "Nobody asked the account"
    asked = "" if account else f" {why}, so properties are not checked."
    lines = [f"wrote {path}: {len(columns):,} columns, {left:,} of them to be decided.{asked}"]
    problems = [
        f"PROBLEM: {printable(text, 600)}" for text in report.account_problems if is_refused or not key.name
    ]
    print_lines([*lines, *_key_lines(key, report, path), *problems])
    if guided:
        return
    first = "decide on its columns" if left else "review it"
    print_message(f"next: {first}, then {command_line('check', '-f', path, *words_beside_file())}")
    for line in _manual_lines():
        print_message(line)


def _manual_lines() -> list[str]:
    """The pages about what a project file does not begin with."""
    return [
        f"to link records, such as contacts with companies: {command_line('help', 'links')}",
        f"to upload several files as one, such as companies, then contacts: {command_line('help', 'plans')}",
    ]


def _match(report: Report) -> Sequence[str]:
    """The properties that rows could be matched by, as far as columns are known to hold them."""
    assert report.draft is not None
    drafted = {one.property for one in report.draft.columns if one.is_sure}
    unique = report.schema.unique if report.schema else frozenset[str]()
    return (EMAIL, *sorted(unique & drafted - {EMAIL, OWN_ID}))


def _is_typed(parameter: click.Parameter) -> bool:
    source = click.get_current_context().get_parameter_source(parameter.name or "")
    return source is ParameterSource.COMMANDLINE


def _refuse_options_of_one_run() -> None:
    """SettingsError for an option that no project file has, instead of leaving it out."""
    for option in map(option_of, filter(_is_typed, upload.params)):
        if option in ONE_RUN:
            raise SettingsError(
                f"init cannot write {option} into the file, where it would {ONE_RUN[option]}; give it to the "
                "command upload"
            )


def given_options(folder: Path) -> dict[str, Any]:
    """The values of the options on the command line, as the file has them, by key."""
    context, found = click.get_current_context(), dict[str, Any]()
    for parameter in upload.params:
        name, key, taken = parameter.name or "", key_of(parameter), taken_by(parameter)
        if not _is_typed(parameter) or option_of(parameter) in {PROJECT_OPTION, *NOT_IN_A_FILE}:
            continue
        value = context.params[name]
        values = [str(one) for one in (value if isinstance(value, tuple) else (value,))]
        if taken.is_path:
            values = [beside(one, folder) for one in values]
        if taken.is_list:
            found[key] = values if isinstance(value, tuple) else str(value).split(",")
        else:
            found[key] = values[0] if isinstance(value, Path) else value
    return found


def _name_of(source: str) -> str:
    """The name of a source without its endings: `contacts` for `exports/contacts.csv.gz`."""
    name = Path(stem(source)).name.partition(".")[0]
    return name if any(map(str.isalnum, name)) else "project"
