"""The opt-out setting, which says what becomes of rows, and which file is written."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class OptOutSettings:
    __slots__ = ()  # `Settings` has them

    #: What becomes of rows that say "opted out": they are written and listed, or skipped; "": undecided
    opt_outs: Literal["", "list", "skip"] = ""
