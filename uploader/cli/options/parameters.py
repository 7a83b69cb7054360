"""What options and arguments are called, and what they take: for variables, project files, their schema."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import click

#: Options that neither a variable nor a project file may set: option -> what it would do in every run.
ONE_RUN = {
    "--restart": "start the job over after every crash",
    "--approve-canary": "approve canaries that nobody has reviewed",
    "--accept-changed-settings": "accept settings that were changed by mistake",
    "--accept-changed-results": "begin a new results file whenever one is damaged",
    "--yes": "confirm questions that nobody has read",
    "--limit": "stop at the same row",
}
#: Its value may hold a secret: no message shows it, and commands repeat it only if it was typed.
TOKEN_COMMAND = "--token-command"  # noqa: S105  # a name
#: Options that a project file may not set: option -> why, and what to do.
NOT_IN_A_FILE = {
    TOKEN_COMMAND: "the file may come from somebody else, and would run a program on this machine; give "
    "the option on the command line, or set UPLOADER_TOKEN_COMMAND",
}


class Kind(StrEnum):
    """The kinds, by what an error says of a value of another kind."""

    FLAG = "true or false"
    WHOLE = "a whole number"
    NUMBER = "a number"
    TEXT = "a text or a whole number"


@dataclass(frozen=True, slots=True)
class Taken:
    """What a parameter takes."""

    kind: Kind
    is_list: bool = False  #: a list of texts, too
    is_path: bool = False
    choices: tuple[str, ...] = ()


class NameList(click.ParamType):  # type: ignore[type-arg]  # it takes none before click 8.4
    """The type of an option that takes names with commas between them: `email,external_id`."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401  # as the base class has it
        del param, ctx
        return value if isinstance(value, str) else ",".join(value)


class ChoiceOrNone(click.Choice):  # type: ignore[type-arg]  # it takes none before click 8.2
    """A choice that "" leaves open, also if a project file makes it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401  # as the base class has it
        return None if value == "" else super().convert(value, param, ctx)


def option_of(parameter: click.Parameter) -> str:
    """`--rate`, or `SOURCE` for an argument: its name in the usage."""
    if isinstance(parameter, click.Argument):
        return (parameter.metavar or parameter.name or "").rstrip(".").upper()
    return next(option for option in parameter.opts if option.startswith("--"))


def key_of(parameter: click.Parameter) -> str:
    """`rate`, `max_in_flight`, `source`: its key in a project file; in capitals the end of its variable."""
    return option_of(parameter).removeprefix("--").replace("-", "_").lower()


def taken_by(parameter: click.Parameter) -> Taken:
    """What a parameter takes."""
    # The type of one value, of an option that can be repeated.
    one = getattr(parameter.type, "one", parameter.type)
    is_list = parameter.nargs != 1 or getattr(parameter, "multiple", False) or isinstance(one, NameList)
    if getattr(parameter, "is_flag", False):
        return Taken(Kind.FLAG)
    if isinstance(one, click.types.FloatParamType):
        return Taken(Kind.NUMBER)
    if isinstance(one, click.types.IntParamType):
        return Taken(Kind.WHOLE)
    choices = tuple(map(str, one.choices)) if isinstance(one, click.Choice) else ()
    is_path = isinstance(one, click.Path) or isinstance(parameter, click.Argument)
    return Taken(Kind.TEXT, is_list, is_path, choices)


def as_taken(value: object, taken: Taken) -> bool | int | float | str | list[str]:
    """The value as an option takes it. ValueError that says what it must be, if it is of another kind."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if taken.kind is Kind.FLAG and isinstance(value, bool):
        return value
    if taken.kind is Kind.NUMBER and is_number:
        return value  # type: ignore[return-value]  # it is one of both
    if taken.kind is Kind.WHOLE and is_number and isinstance(value, int):
        return value
    if taken.choices:
        if value in taken.choices:
            return str(value)
        raise ValueError(f"one of {', '.join(taken.choices)}")
    if taken.kind is Kind.TEXT and not taken.is_list and (text := _text(value)):
        return text
    if taken.is_list:
        texts = [_text(one) for one in (value if isinstance(value, list) else [value])]
        if all(texts):
            return texts
    raise ValueError(f"{taken.kind}, or a list of them" if taken.is_list else str(taken.kind))


def _text(value: object) -> str:
    """A text or a whole number as text; "" if it is neither, or holds a null, as no command line can."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    text = value if isinstance(value, str) else str(value) if is_whole else ""
    return "" if "\0" in text else text


def as_words(option: str, value: object) -> Sequence[str]:
    """The value of an option as words of a command line."""
    if isinstance(value, bool):
        return [option] if value else []
    return [word for one in (value if isinstance(value, tuple) else (value,)) for word in (option, str(one))]
