"""`uploader create-properties`: create the properties that a file defines."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from uploader.cli.logs import configure_messages, is_json, print_message
from uploader.cli.option_variables import say_settings
from uploader.cli.options.connection import (
    LOG_FORMAT,
    PATH,
    account_options,
    connection_options,
    connection_settings,
)
from uploader.cli.options.group import CommandWithHeadings, Heading, option
from uploader.cli.output import print_json, print_lines
from uploader.cli.project_file import project_in_use, words_beyond
from uploader.cli.text.canary import kind_text, refusal_text
from uploader.cli.text.new_properties import created_dict, created_lines, plan_lines
from uploader.cli.text.next_command import account_words, command_line
from uploader.cli.typed_answer import answer
from uploader.errors import SettingsError
from uploader.hubspot.object_types import noun
from uploader.jobs.summary import advice
from uploader.model.counted import counted
from uploader.model.foreign_texts import printable
from uploader.option_files.text import read_text
from uploader.properties.creation import Creation, Plan, Report
from uploader.properties.definitions_file import DefinitionsFile, parse_definitions
from uploader.properties.run import account_settings
from uploader.system.stop_signals import stop_on_signals


@click.command(cls=CommandWithHeadings)
@click.argument("file", type=PATH)
@click.option("--dry-run", is_flag=True, help="Create nothing; show what would be created.")
@option(
    Heading.SAFETY,
    "--portal",
    metavar="ID",
    default="",
    help="Stop if the token belongs to another account than this one; else create without asking.",
)
@option(Heading.SAFETY, "--yes", is_flag=True, help="Do not ask for confirmation.")
@connection_options
@LOG_FORMAT
@option(Heading.OUTPUT, "--json", "as_json", is_flag=True, help="Print the result on stdout as JSON.")
def command(
    file: Path,
    *,
    dry_run: bool,
    portal: str,
    yes: bool,
    log_format: str,
    as_json: bool,
    **connection: object,
) -> int:
    """Create the properties that FILE defines, as far as the account lacks them.

    `uploader check --write-properties FILE` drafts the file. What is created is recorded beside it, in
    FILE.ACCOUNT.created.json; `uploader undo` with that record archives the properties that are still empty.
    If interrupted, the same command continues.

    \b
    Exit codes:
      0        all properties exist now
      1        some were refused, or exist and differ from FILE
      2        wrong usage, it cannot start, or it was declined
      75       stopped; run the same command again later
      78       stopped; solve the reported problem first
      130/143  interrupted by SIGINT/SIGTERM
    """
    configure_messages(log_format, verbose=False)
    definitions = read_definitions(file)
    say_settings(click.get_current_context())
    account = connection_settings(connection)
    is_approved = yes or bool(portal) or dry_run
    report = create(file, definitions, account, portal=portal, yes=is_approved, dry_run=dry_run)
    with contextlib.suppress(OSError):
        if as_json:
            print_json(created_dict(report))
        else:
            print_lines(created_lines(report))
    words, project = account_words(account_options(connection)), project_in_use()
    say_end(report, words, dry_run=dry_run)
    if project and report.exit_code == 0 and not dry_run:
        named = click.get_current_context().params.get("project") or project.path  # also a plan
        again = command_line("check", "-f", named, *words_beyond(project, words))
        print_message(f"next: check the rows again, with these properties: {again}")
    return report.exit_code


def read_definitions(file: Path) -> DefinitionsFile:
    text = read_text(file, "FILE")
    try:
        return parse_definitions(text)
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}") from error


def create(
    file: Path,
    definitions: DefinitionsFile,
    connection: Mapping[str, Any],
    *,
    portal: str,
    yes: bool = False,
    dry_run: bool = False,
) -> Report:
    """Create the properties. It asks first, unless `yes`. `connection`: fields of the settings."""
    settings = account_settings(definitions.object_type, portal=portal, **connection)
    approve = partial(_approve, yes=yes)
    return asyncio.run(_create(Creation(settings, file, definitions, approve=approve, dry=dry_run)))


async def _create(creation: Creation) -> Report:
    stop_on_signals(creation.ending.stop)
    return await creation.run()


async def _approve(plan: Plan, *, yes: bool) -> bool:
    """Show what is to be created, and ask."""
    account, count = plan.account, len(plan.to_create)
    for line in plan_lines(plan, shutil.get_terminal_size().columns):
        print_message(line)
    if not count or yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or is_json():
        if account.may_be_production:
            raise SettingsError(refusal_text(account))
        return True
    what = counted(count, "property", "properties")
    where = f"account {account.portal}, {kind_text(account)}"
    print_message(f"create {what} of {noun(plan.object_type).many} in {where}? [y/N] ", end="")
    return (await answer()).strip().lower() in {"y", "yes"}


def say_end(report: Report, words: list[str], *, dry_run: bool) -> None:
    if report.end is not None:
        print_message(f"stopped: {printable(report.end.reason)}; {advice(report.end.cause)}")
    elif dry_run:
        print_message("nothing was created; run the command without --dry-run to do it")
    if report.record is not None and report.created:
        undo = command_line("undo", report.record, *words)
        print_message(f"to archive these properties again while they are empty: {undo}")
