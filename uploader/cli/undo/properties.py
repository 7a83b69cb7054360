"""`uploader undo` of the record of created properties: they are archived while they are empty."""

import asyncio
import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from uploader.cli.logs import is_json, print_message
from uploader.cli.options.connection import connection_settings
from uploader.cli.output import print_json, print_lines
from uploader.cli.text.canary import kind_text
from uploader.cli.text.new_properties import removed_dict, removed_lines
from uploader.cli.text.numbers import printable
from uploader.cli.typed_answer import answer
from uploader.errors import SettingsError
from uploader.hubspot.account import Account
from uploader.jobs.summary import advice
from uploader.properties.creation_record import read_record
from uploader.properties.removal import Removal, Report
from uploader.properties.run import account_settings
from uploader.system.stop_signals import stop_on_signals


def undo_properties(
    path: Path, *, dry_run: bool, yes: bool, as_json: bool, connection: Mapping[str, Any]
) -> int:
    """Archive the properties of a record, and print the result. Returns the exit code."""
    record = read_record(path)
    settings = account_settings(record.object_type, **connection_settings(connection))
    removal = Removal(settings, record, approve=None if yes else _approve, dry=dry_run)
    report = asyncio.run(_remove(removal))
    with contextlib.suppress(OSError):
        if as_json:
            print_json(removed_dict(report, dry_run=dry_run))
        else:
            print_lines(removed_lines(report, dry_run=dry_run))
    if report.end is not None:
        print_message(f"stopped: {printable(report.end.reason)}; {advice(report.end.cause)}")
    elif dry_run:
        print_message("nothing was archived; run the command without --dry-run to do it")
    elif report.kept:
        print_message("undo the uploads that wrote these values first, then run this command again")
    return report.exit_code


async def _remove(removal: Removal) -> Report:
    stop_on_signals(removal.ending.stop)
    return await removal.run()


async def _approve(account: Account, names: Sequence[str]) -> bool:
    for name in names:
        print_message(f"{name}: empty, to be archived")
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or is_json():
        if account.may_be_production:
            raise SettingsError(
                f"account {account.portal} is {kind_text(account)}, and there is no terminal to ask for "
                "confirmation: check with --dry-run, then add --yes"
            )
        return True
    what = f"{len(names):,} {'property' if len(names) == 1 else 'properties'}"
    print_message(f"archive {what} in account {account.portal}, {kind_text(account)}? [y/N] ", end="")
    return (await answer()).strip().lower() in {"y", "yes"}
