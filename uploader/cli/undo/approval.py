"""The questions before a part of a job is undone."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from uploader.cli.logs import is_json, print_message
from uploader.cli.text.canary import kind_text
from uploader.cli.typed_answer import answer
from uploader.errors import SettingsError
from uploader.hubspot.account import Account
from uploader.model.counted import counted
from uploader.model.foreign_texts import printable
from uploader.undo.job.run import Approvals
from uploader.undo.links import LinksReport
from uploader.undo.record_list import ListReport

#: Puts the progress display aside meanwhile.
Aside = Callable[[], AbstractAsyncContextManager[None]]


def approvals(aside: Aside) -> Approvals:
    """Who is asked before each part."""

    async def approve_records(account: Account, created: int, others: int) -> bool:
        async with aside():
            return await _approve_records(account, created, others)

    return Approvals(_approve_list, _approve_links, approve_records, _approve_properties)


async def _approve_list(account: Account, report: ListReport) -> bool:
    then = ", and delete the list if it is empty then" if report.is_made else ""
    what = f"take {counted(report.left, 'record')} out of the list {printable(report.name)!r}"
    return await _is_approved(account, what, then)


async def _approve_links(account: Account, report: LinksReport) -> bool:
    others = f" and archive up to {report.others_made:,} created for them" if report.others_made else ""
    return await _is_approved(account, f"take back up to {counted(report.left, 'link')}{others}")


async def _approve_records(account: Account, created: int, others: int) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return _refuse_production(account)
    kind = f" ({account.kind})" if account.kind else ""
    print_message(f"account {account.portal}{kind}: {_what_is_done(created, others)}? [y/N] ", end="")
    return await _is_yes()


def _what_is_done(created: int, others: int) -> str:
    archived = f"archive up to {counted(created, 'record')} that the job created"
    if not others:
        return archived
    if created:
        return f"{archived}, and restore values of up to {counted(others, 'other')}"
    there = counted(others, "record that was", "records that were")
    return f"restore values of up to {there} there before the job"


async def _approve_properties(account: Account, names: Sequence[str]) -> bool:
    for name in names:
        print_message(f"{name}: empty, to be archived")
    return await _is_approved(
        account,
        f"archive {counted(len(names), 'property', 'properties')}",
    )


async def _is_approved(account: Account, what: str, then: str = "") -> bool:
    """Ask whether `what` is done in an account, and `then` what follows. SettingsError if it may be a
    production account and nobody can be asked.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or is_json():
        return _refuse_production(account)
    print_message(f"{what} in account {account.portal}, {kind_text(account)}{then}? [y/N] ", end="")
    return await _is_yes()


def _refuse_production(account: Account) -> bool:
    if account.may_be_production:
        raise SettingsError(
            f"account {account.portal} is {kind_text(account)}, and there is no terminal to ask for "
            "confirmation: check with --dry-run, then add --yes"
        )
    return True


async def _is_yes() -> bool:
    return (await answer()).strip().lower() in {"y", "yes"}
