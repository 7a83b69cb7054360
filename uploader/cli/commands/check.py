"""`uploader check`: everything that can be known before the first write."""

import asyncio
import contextlib
import csv
import io
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from uploader.check.as_json import as_dict
from uploader.check.mapping_draft import Draft
from uploader.check.report import Report
from uploader.check.run import Check
from uploader.check.value_draft import owner_map_rows, owner_map_toml
from uploader.cli.commands.create_properties import read_definitions
from uploader.cli.commands.upload import command as upload, job_fields
from uploader.cli.logs import print_message
from uploader.cli.option_variables import say_settings
from uploader.cli.options.connection import PATH, TOKEN_VARIABLE
from uploader.cli.options.group import CommandLike
from uploader.cli.options.project import PROJECT_OPTION, Plan, Project
from uploader.cli.options.source_and_key import job_options, reading_settings
from uploader.cli.output import print_json, print_lines
from uploader.cli.pages import page_of, refuse_foreign_page, write_page
from uploader.cli.plans.each_step import after_steps, before_steps, more_as_json
from uploader.cli.plans.overview import migrate_line
from uploader.cli.progress import displaying, survey_line
from uploader.cli.project_file import project_in_use, step_in_use, upload_context, words_beyond
from uploader.cli.text.check.details import lines
from uploader.cli.text.check.page import page_content
from uploader.cli.text.check.screen import screen, without_missing
from uploader.cli.text.next_command import account_words, command_line, next_command
from uploader.cli.text.numbers import duration
from uploader.cli.text.plan import links_in_plan_lines
from uploader.errors import SettingsError, UploaderError
from uploader.hubspot.owner_lookup import OWNER_TO_FILL_IN
from uploader.jobs.summary import advice
from uploader.model.foreign_texts import harmless, printable
from uploader.option_files.text import read_text
from uploader.plans.other_files import OtherFiles
from uploader.settings import Settings
from uploader.storage.output_files import refuse_existing, write_new
from uploader.system.stop_signals import stop_on_signals
from uploader.undo.job.state import has_to_begin_anew

_PROGRESS_SECONDS, _LIVE_SECONDS = 5.0, 0.5


@click.command(cls=CommandLike, like=upload)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@job_options
@click.option(
    "--checkpoint",
    type=PATH,
    help="Write temporary files beside this path; it is not changed. Default: beside the source.",
)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Read only the first N rows.")
@click.option(
    "--examples",
    type=click.IntRange(0, 1000),
    default=10,
    show_default=True,
    metavar="N",
    help="Name at most N rows for each kind of finding.",
)
@click.option(
    "--write-mapping",
    type=PATH,
    metavar="FILE.toml",
    help="Write a draft of what each column means, and of what replaces values that options do not take, to "
    "be reviewed and used with --mapping. With --mapping: that file, with what it lacks.",
)
@click.option(
    "--write-owner-map",
    type=PATH,
    metavar="FILE",
    help="Write the owners that the account does not have to a CSV or TOML file, to be completed and used "
    "with --owner-map.",
)
@click.option(
    "--write-properties",
    type=PATH,
    metavar="FILE.toml",
    help="Write definitions of properties for the columns that have none, to be reviewed and created with "
    "create-properties.",
)
@click.option(
    "--html",
    "html",
    type=PATH,
    metavar="FILE.html",
    help="Also write all that was found to an HTML page. It holds values of the rows; only you can read it.",
)
@click.option("--details", "with_details", is_flag=True, help="Print all that was found, with rows.")
@click.option("--json", "as_json", is_flag=True, help="Print the report on stdout as JSON.")
def command(
    sources: tuple[str, ...],
    *,
    sample: int | None,
    examples: int,
    write_mapping: Path | None,
    write_owner_map: Path | None,
    write_properties: Path | None,
    html: Path | None,
    with_details: bool,
    as_json: bool,
    **same: Any,  # noqa: ANN401  # options whose names and types are the settings' own
) -> int:
    """Check the account, the columns and every row before an upload. Nothing is written to HubSpot.

    Sends a few requests, then reads each SOURCE to its end. Without a token (in HUBSPOT_ACCESS_TOKEN,
    or by --token-file or --token-command) it checks the file alone, and lists what was not checked.

    Takes every option of upload; see `uploader upload --help`. Below are its own.

    \b
    Exit codes:
      0        no problem found
      1        upload would run; some rows would fail, or there are warnings
      2        upload cannot start; of a plan also: a step would stop early
      75       the account could not be asked; try again later
      130/143  interrupted by SIGINT/SIGTERM
    """
    fields = reading_settings(sources, same)
    is_offline = not fields["token"] and fields["sign_in"] is None
    settings = Settings(sources=sources, offline=is_offline, **fields)
    files = _Files(write_mapping, same["mapping"], write_owner_map, write_properties, html)
    files.refuse_unwritable(sources, is_offline=is_offline)
    say_settings(click.get_current_context())
    report = asyncio.run(
        run_check(
            settings,
            sample,
            examples,
            drafts=write_mapping is not None,
            drafts_properties=write_properties is not None,
            **_of_plan(),
        )
    )
    report.is_undone = has_to_begin_anew(settings.checkpoint_path)
    report.is_step = step_in_use(click.get_current_context()) is not None
    files.write(report, settings)
    _print_report(report, settings, as_json=as_json, with_details=with_details)
    return _of_step(report).exit_code


@before_steps("check")
def _compare_links(steps: Sequence[tuple[Project, Path]], options: Mapping[str, Any]) -> None:
    """Have the checks of a plan's steps compare their links with the files of the others."""
    context = click.get_current_context()
    settings = []
    for step, _ in steps:
        with upload_context(step.path) as one:
            try:
                settings.append((step.step, settings_to_check(one.params)))
            except UploaderError as error:
                error.args = (f"step {step.step}: {error}",)
                raise
    context.meta[_LACKS_TOKEN] = any(one.offline for _, one in settings)
    if options["sample"] is None and any(one.associations for _, one in settings):
        others = OtherFiles(steps[0][1].absolute().parent, settings)
        context.meta[_OTHER_FILES] = others
        context.call_on_close(others.close)


@more_as_json("check")
def _links_in_plan(context: click.Context) -> Mapping[str, object]:
    others = _other_files(context)
    return {"links": [one.as_dict() for one in others.found(_MOST_VALUES)]} if others else {}


@after_steps("check")
def _say_next(plan: Plan, options: Mapping[str, Any], code: int) -> int:
    others = _other_files(click.get_current_context())
    links = others.found(_MOST_VALUES) if others else []
    if code == 0 and any(one.missing or one.shared for one in links):
        code = 1
    if not options["as_json"]:
        if lines := links_in_plan_lines(links):
            print_lines([f"--- {plan.path.name}", *lines])
        lacks_token = click.get_current_context().meta[_LACKS_TOKEN]
        if code in {0, 1} and not lacks_token:
            print_message(migrate_line(plan, sys.argv[1:]))
        elif code in {0, 1, 2}:
            first = f"set {TOKEN_VARIABLE} to the token" if code != 2 else "correct what is said above"
            again = next_command(sys.argv[1:], "check")
            print_message(f"next: {first}, then check all steps again: {again}")
    return code


_OTHER_FILES = "uploader.other_files"
_LACKS_TOKEN = "uploader.lacks_token"  # noqa: S105  # a name
_MOST_VALUES = 10


def _other_files(context: click.Context) -> OtherFiles | None:
    """Where the checks of a plan's steps note what their links lead to; None if it is no plan."""
    found = context.meta.get(_OTHER_FILES)
    return found if isinstance(found, OtherFiles) else None


def _of_plan() -> dict[str, Any]:
    """What the check of a plan's step notes for the others; nothing without a plan."""
    context = click.get_current_context()
    others, step = _other_files(context), step_in_use(context)
    if others is None or step is None:
        return {}
    number = others.number(step.step)
    records = partial(others.add, number) if others.wants(number) else None
    return {"note_records": records, "note_links": partial(others.note, number)}


@dataclass(frozen=True, slots=True)
class _Files:
    """The files that a check is to write; None: not this one."""

    mapping: Path | None
    used: Path | None  #: the mapping file that is used
    owner_map: Path | None
    properties: Path | None
    page: Path | None

    def refuse_unwritable(self, sources: tuple[str, ...], *, is_offline: bool) -> None:
        """SettingsError if one of them cannot be written, or not without the account."""
        if self.mapping is not None:
            _refuse_to_write("--write-mapping", self.mapping, sources)
            _refuse_other_folder(self.mapping, used=self.used)
        if self.owner_map is not None:
            refuse_existing(self.owner_map, "--write-owner-map")
        if self.properties is not None:
            _refuse_to_write("--write-properties", self.properties, sources)
        if self.page is not None:
            refuse_foreign_page(self.page)
        for option, path in (("--write-owner-map", self.owner_map), ("--write-properties", self.properties)):
            if path is not None and is_offline:
                raise SettingsError(f"{option} needs the account: set {TOKEN_VARIABLE} to the token")

    def write(self, report: Report, settings: Settings) -> None:
        """Write them, and note in the report which there are."""
        if self.mapping is not None and report.draft:
            # Owners that get a file of their own are left out of the mapping file.
            owned = report.schema.owned if report.schema and self.owner_map is not None else frozenset[str]()
            values = tuple(one for one in report.draft.values if one.property not in owned)
            _write_mapping(self.mapping, replace(report.draft, values=values), report, used=self.used)
        if self.owner_map is not None and report.end is None:
            _write_owner_map(self.owner_map, report)
        if self.properties is not None and report.end is None:
            _write_properties(self.properties, report, settings)
        _find_definitions(report, settings)
        if self.page is not None and report.end is None:
            write_page(self.page, page_of("check.html", page_content(report, settings, sys.argv[1:])))
            print_message(f"wrote {self.page}")


def _refuse_other_folder(path: Path, *, used: Path | None) -> None:
    """SettingsError if the draft is a project file, and its paths would lead elsewhere."""
    project = project_in_use() if used is None else None
    if project and path.absolute().parent != project.path.absolute().parent:
        raise SettingsError(
            f"--write-mapping {path}: the draft is {project.path} with what it lacks, and paths in it are "
            f"relative to its folder; write it to {project.path.absolute().parent}"
        )


def _write_mapping(path: Path, draft: Draft, report: Report, *, used: Path | None) -> None:
    """Write the draft, or the mapping or project file that is used with what it lacks."""
    project = project_in_use() if used is None else None
    base = read_text(used, "--mapping") if used else ""
    base = read_text(project.path, PROJECT_OPTION) if project else base
    undecided = {column.column for column in report.columns if column.is_undecided}
    write_new(path, draft.added_to(base, undecided) if base else draft.toml())
    report.drafted = "" if project else str(path)
    option = "-f" if project else "--mapping"
    print_message(f"wrote a draft to {path}: review and complete it, then use it with {option}")


def _write_owner_map(path: Path, report: Report) -> None:
    """Write the owners that the account does not have."""
    unknown = report.unknown_owners
    owners = len({who for counts in unknown.values() for who in counts})
    if not owners:
        has_owners = any(report.findings.owners.values())
        why = "the account has all owners of the rows" if has_owners else "no column is known to hold owners"
        print_message(f"{why}: --write-owner-map wrote no file")
        return
    if path.suffix.lower() == ".toml":
        text = owner_map_toml(unknown)
    else:
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows(owner_map_rows(unknown))
        text = lines.getvalue()
    write_new(path, text)
    print_message(
        f"wrote the owners that the account does not have to {path} ({owners:,}): fill in each "
        f"{OWNER_TO_FILL_IN}, then use it with --owner-map"
    )


def _write_properties(path: Path, report: Report, settings: Settings) -> None:
    """Write the definitions of properties that the account lacks."""
    if not report.properties_draft:
        print_message(f"{path} was not written: no column was found that lacks a property")
        return
    write_new(path, report.properties_draft)
    report.defined = str(path)
    print_message(
        f"wrote definitions to {path}: review them, then create them: {_create_command(path, settings)}"
    )


def _create_command(path: Path, settings: Settings) -> str:
    """The command that creates the properties of a file."""
    words, project = account_words(settings.repeated_options), project_in_use()
    if project:
        words = ["-f", str(project.path), *words_beyond(project, words)]
    return command_line("create-properties", path, *words)


def _find_definitions(report: Report, settings: Settings) -> None:
    """Name the file beside the project file that defines properties which the account lacks."""
    project = project_in_use()
    if project is None or report.schema is None or report.defined:
        return
    lacking = set(settings.rules.mapped.values()) - report.schema.labels.keys()
    path = project.path.with_name(f"{project.path.stem}.properties.toml")
    if not lacking or not path.is_file():
        return
    with contextlib.suppress(UploaderError):  # create-properties says what is wrong with it
        if defined := sorted(lacking & {one.name for one in read_definitions(path).definitions}):
            report.defined = str(path)
            print_message(
                f"{path} defines {', '.join(defined)}, which the account lacks; to create them: "
                f"{_create_command(path, settings)}"
            )


def _refuse_to_write(option: str, path: Path, sources: tuple[str, ...]) -> None:
    refuse_existing(path, option)
    if "-" in sources:
        raise SettingsError(f"{option} needs a file: standard input can be read only once")


#: Options of `upload` that are no settings.
_NO_SETTINGS = ("log_format", "verbose", "as_json", "summary_file", "project")


def settings_to_check(values: Mapping[str, Any]) -> Settings:
    """The settings of a check, from the values of all options of `upload`. Without a token it is offline."""
    fields = job_fields(**{name: value for name, value in values.items() if name not in _NO_SETTINGS})
    is_offline = not fields["token"] and fields["sign_in"] is None
    return Settings(**{**fields, "offline": is_offline, "write_results": False})


async def run_check(
    settings: Settings,
    sample: int | None,
    examples: int,
    *,
    drafts: bool,
    drafts_properties: bool = False,
    **notes: Any,  # noqa: ANN401  # as of the check
) -> Report:
    run = Check(
        settings,
        sample=sample,
        examples=examples,
        drafts=drafts,
        drafts_properties=drafts_properties,
        **notes,
    )
    stop_on_signals(run.ending.stop)
    async with displaying(show_check(run)):
        return await run.run()


async def show_check(run: Check, step: str = "") -> None:
    """Show the progress of a check until cancelled. `step`: what it checks within a plan."""
    lead = f"{step}: " if step else ""
    if sys.stderr.isatty():
        await _live(run, lead)
    else:
        await _plain(run, lead)


async def _plain(run: Check, lead: str) -> None:
    while True:
        await asyncio.sleep(_PROGRESS_SECONDS)
        if text := _now(run):
            print_message(lead + text)


async def _live(run: Check, lead: str) -> None:
    # Imported here: only terminals need it.
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    with contextlib.suppress(OSError), Live(console=Console(file=sys.stderr), transient=True) as live:
        while True:
            live.update(Text(harmless(lead + _now(run))))
            await asyncio.sleep(_LIVE_SECONDS)


def _now(run: Check) -> str:
    sender = run.session.sender if run.session else None
    if run.passes.step is not None:
        return survey_line(run.passes.step, run.bytes_total)
    if sender is not None and sender.pausing:
        return f"PAUSED {duration(sender.pause_seconds)}: {sender.pausing}"
    values = run.link_values
    if values is not None and values.noted < values.listed:
        return f"looking up what links lead to: {values.noted:,} of {values.listed:,} values"
    return f"reading the account: {printable(sender.last_failure)}" if sender and sender.last_failure else ""


def _lines(report: Report, settings: Settings, *, with_details: bool) -> list[str]:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if with_details:
        return lines(report, settings, sys.argv[1:], width)
    return screen(_of_step(report), settings, sys.argv[1:], width)


def _of_step(report: Report) -> Report:
    """The report as it is judged. In a plan, whether other records are missing is a matter of all steps."""
    return without_missing(report) if _other_files(click.get_current_context()) else report


def _print_report(report: Report, settings: Settings, *, as_json: bool, with_details: bool) -> None:
    if report.end is not None:
        print_message(f"stopped: {printable(report.end.reason)}; {advice(report.end.cause)}")
        return
    with contextlib.suppress(OSError):
        if as_json:
            print_json(as_dict(report) | {"exit_code": _of_step(report).exit_code})
        else:
            print_lines(_lines(report, settings, with_details=with_details))
