"""Safety settings: the account, the canary, how many rows may fail. Raise `SettingsError`."""

import math
import re
from dataclasses import dataclass

from uploader.errors import SettingsError
from uploader.model.canary import MAX_ROWS
from uploader.pipeline.failure_limits import FailureLimit, Tolerance
from uploader.settings.number_or_share import parse_number_or_share


@dataclass(frozen=True, kw_only=True)
class SafetySettings:
    __slots__ = ()  # `Settings` has them

    portal: str = ""  #: id of the account that the token must belong to; "": any account
    canary: int | None = None  #: number of rows sent first; None: depends on the account; 0: no canary
    canary_wait_seconds: float = 30.0  #: time for workflows to act before the canary is read back
    approve_canary: bool = False
    limit: int | None = None  #: rows from the first one on that are processed; None: all
    max_failures: FailureLimit = FailureLimit(share=0.2)  # noqa: RUF009  # it is frozen
    tolerate: Tolerance | None = None  #: failed rows with which a finished job is still a success
    accept_changed_settings: bool = False

    def _check_account_and_canary(self) -> None:
        if self.portal and not re.fullmatch(r"[0-9]{1,20}", self.portal):
            raise SettingsError(f"--portal {self.portal!r} is not an account id such as 44237313")
        if self.canary is not None and not 0 <= self.canary <= MAX_ROWS:
            raise SettingsError(f"--canary takes a number of rows from 1 to {MAX_ROWS:,}")

    def _check_limit(self) -> None:
        if self.limit is not None and (self.limit < 1 or self.limit % 1):
            raise SettingsError("--limit takes a whole number of rows, 1 or more")

    def _check_canary_wait(self) -> None:
        if not 0 <= self.canary_wait_seconds < math.inf:
            raise SettingsError("--canary-wait takes a number of seconds, 0 or more")


def parse_failure_limit(text: str) -> FailureLimit:
    """Read `N` or `P%`."""
    count, share = parse_number_or_share("--max-failures", text)
    return FailureLimit(count=count, share=share)


def parse_tolerance(text: str) -> Tolerance:
    """Read `N` or `P%`."""
    count, share = parse_number_or_share("--tolerate", text)
    return Tolerance(count=count, share=share)
