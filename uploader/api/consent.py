"""Decides whether an account is written to, and whether a canary is approved."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from inspect import isawaitable

from uploader.canary.assessment import Review
from uploader.errors import DeclinedError
from uploader.hubspot.account import Account
from uploader.hubspot.missing_scopes import DETAILS
from uploader.jobs.pipeline import Parts
from uploader.jobs.preflight import check_named_portal
from uploader.jobs.session import Seams
from uploader.jobs.upload import Run
from uploader.settings import Settings
from uploader.sources.python_rows import RowStream

#: Called with the account and the estimated number of rows; returns whether they are written.
Approve = Callable[[Account, int | None], bool | Awaitable[bool]]
#: Called with the canary's review; returns whether the other rows are sent.
Judge = Callable[[Review], bool | Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Consent:
    """`yes`: an account is written to in any case. Otherwise one that may be a production account is written
    to only if `approve` says so.
    """

    yes: bool
    approve: Approve | None
    judge: Judge | None
    portal: str = ""  #: an account that is written to without being asked for

    async def approves(self, account: Account, rows: int | None) -> bool:
        if self.portal:
            check_named_portal(self.portal, account)
        if self.portal or not account.may_be_production:
            return True
        if self.approve is not None:
            return await _answer(self.approve(account, rows))
        if not account.portal:
            raise DeclinedError(
                "nothing was written: this token may not read which account it belongs to, nor its kind; "
                f"give it the scope `{account.scope(DETAILS)}`, or pass yes=True to write to it anyway"
            )
        raise DeclinedError(
            f"nothing was written: account {account.portal} may be a production account; pass "
            f"portal={account.portal!r} if it is the right one (or yes=True)"
        )

    async def judges(self, review: Review) -> bool:
        return self.judge is not None and await _answer(self.judge(review))

    def run(self, settings: Settings, seams: Seams | None, rows: Sequence[RowStream], parts: Parts) -> Run:
        """The run of a job that asks for this consent."""
        return Run(
            settings,
            seams,
            rows,
            approve=None if self.yes else self.approves,
            judge=None if self.judge is None else self.judges,
            parts=parts,
        )


async def _answer(answer: bool | Awaitable[bool]) -> bool:
    """The result of a callback that may be a coroutine."""
    return bool(await answer if isawaitable(answer) else answer)
