"""Options that are given to a command together."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Command = TypeVar("Command", bound=Callable[..., Any])


def add_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """The command with these options; its help lists them in this order."""
    for option in reversed(options):
        command = option(command)
    return command
