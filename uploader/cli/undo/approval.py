"""The question before links or members of a list are taken back."""

import sys

from uploader.cli.logs import is_json, print_message
from uploader.cli.text.canary import kind_text
from uploader.cli.typed_answer import answer
from uploader.errors import SettingsError
from uploader.hubspot.account import Account


async def is_approved(account: Account, what: str, then: str = "") -> bool:
    """Ask whether `what` is done in an account, and `then` what follows. SettingsError if it may be a
    production account and nobody can be asked.
    """
    where = f"account {account.portal}, {kind_text(account)}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or is_json():
        if account.may_be_production:
            raise SettingsError(
                f"account {account.portal} is {kind_text(account)}, and there is no terminal to ask for "
                "confirmation: check with --dry-run, then add --yes"
            )
        return True
    print_message(f"{what} in {where}{then}? [y/N] ", end="")
    return (await answer()).strip().lower() in {"y", "yes"}
