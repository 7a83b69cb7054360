"""Options with headings in `--help`, and commands that list them under these headings."""

from collections.abc import Callable, Sequence
from copy import copy
from enum import StrEnum
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class Heading(StrEnum):
    """The headings, in the order of the help."""

    OPTIONS = "Options"  # of a command's own
    SOURCE = "Source"
    COLUMNS = "Columns and values"
    OVERWRITING = "What may be overwritten"
    SAFETY = "Safety"
    SPEED = "Speed and quota"
    SIGN_IN = "Sign-in"
    OUTPUT = "Output"


class _Option(click.Option):
    def __init__(self, *args: Any, heading: Heading, **attributes: Any) -> None:  # noqa: ANN401  # click's own
        super().__init__(*args, **attributes)
        self.heading = heading
        if self.multiple and self.help:
            self.help += " Repeatable."


def option(heading: Heading, *names: str, **attributes: Any) -> Callable[[Command], Command]:  # noqa: ANN401
    """Make `click.option` with a heading."""
    return click.option(*names, cls=_Option, heading=heading, **attributes)


def add_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """Add options to a command, in the order of its help."""
    for one in reversed(options):
        command = one(command)
    return command


class CommandWithHeadings(click.Command):
    """A command whose help lists options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading in Heading:
            _write(ctx, formatter, heading, [o for o in self.get_params(ctx) if _heading(o) is heading])


class CommandLike(CommandWithHeadings):
    """A command that accepts every option of another one, so that only the verb of a typed line changes.

    Its help lists those that the other does not have, or describes differently. Options that are not its own
    are accepted and ignored, unless `takes_all`.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401
        like: click.Command,
        takes_all: bool = False,
        **attributes: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **attributes)
        self._described = {one.name: one.help for one in like.params if isinstance(one, click.Option)}
        known = {name for one in self.params for name in one.opts}
        for one in like.params:
            if isinstance(one, click.Option) and known.isdisjoint(one.opts):
                more = copy(one)
                more.expose_value = takes_all
                self.params.append(more)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = [
            one
            for one in self.get_params(ctx)
            if isinstance(one, click.Option) and self._described.get(one.name) != one.help
        ]
        _write(ctx, formatter, Heading.OPTIONS, own)


def _heading(parameter: click.Parameter) -> Heading | None:
    if isinstance(parameter, click.Argument):
        return None
    if "--help" in parameter.opts:
        return Heading.OUTPUT
    return parameter.heading if isinstance(parameter, _Option) else Heading.OPTIONS


def _write(
    ctx: click.Context,
    formatter: click.HelpFormatter,
    heading: Heading,
    options: Sequence[click.Parameter],
) -> None:
    if records := [record for one in options if (record := one.get_help_record(ctx))]:
        with formatter.section(heading):
            formatter.write_dl(records)
