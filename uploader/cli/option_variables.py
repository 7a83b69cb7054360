"""Options given by environment variables, in one flat namespace: `UPLOADER_<OPTION>`.

`UPLOADER_RATE` is `--rate` of every command that has it. Arguments have variables, too: `UPLOADER_SOURCE`,
`UPLOADER_CHECKPOINT`. A repeatable option has one value a line, since values may hold blanks and commas.
The command line takes precedence. An empty variable is ignored.
"""

import functools
import os
import re
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from uploader.cli.options.parameters import ONE_RUN, TOKEN_COMMAND, as_words, key_of, option_of
from uploader.cli.project_file import plan_in_use, project_in_use, step_in_use
from uploader.cli.suggestions import suggestions
from uploader.errors import SettingsError, UploaderError
from uploader.model.foreign_texts import printable
from uploader.model.redaction import without_addresses
from uploader.sources.database_urls import is_database
from uploader.sources.names import is_url, shown

PREFIX = "UPLOADER_"
#: What to do in place of an option that is for one run only.
_INSTEAD = {
    "--yes": " (set UPLOADER_PORTAL to the account's number instead: it confirms the account; the first rows "
    "still wait for approval unless UPLOADER_NO_CANARY=1)"
}
_MOST_SHOWN, _SHOWN_CHARACTERS = 3, 80
#: A shorter value may be part of any text.
_MENTIONED_CHARACTERS = 6


class _Lines(click.ParamType):  # type: ignore[type-arg]  # it takes none before click 8.4
    """The type of a repeatable option: its variable holds one value a line."""

    def __init__(self, one: "click.ParamType[Any]") -> None:
        self.one = one
        self.name = one.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401  # as the base class has it
        return self.one.convert(value, param, ctx)

    def split_envvar_value(self, rv: str) -> list[str]:
        return [line.strip("\r") for line in rv.split("\n") if line.strip()]

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        if isinstance(param, click.Argument):  # a source may be a URL, but only files can be completed
            return [CompletionItem(incomplete, type="file")]
        return self.one.shell_complete(ctx, param, incomplete)


def add_option_variables(command: click.Command, all_commands: Callable[[], Iterable[click.Command]]) -> None:
    """Give every option of a command its variable. Errors name the variables of the options they mention."""
    for parameter in command.params:
        former = [parameter.envvar] if isinstance(parameter.envvar, str) else list(parameter.envvar or ())
        parameter.envvar = [variable(parameter), *former]
        if parameter.nargs != 1 or getattr(parameter, "multiple", False):
            parameter.type = _Lines(parameter.type)
    command.epilog = "\n\n".join(filter(None, [command.epilog, _epilog(command)]))
    work = command.callback
    assert work is not None

    @functools.wraps(work)
    def callback(**values: object) -> object:
        context = click.get_current_context()
        plan = plan_in_use(context) if context.info_name != "migrate" else None
        if step_in_use(context) is None:
            _warn_of_unknown(context, all_commands)
        try:
            _refuse_one_run_options(context)
            _warn_of_typed_password(context)
            values.pop("project", None)  # it has set the others
            if plan is not None:
                from uploader.cli.plans.each_step import over_steps  # noqa: PLC0415  # only for plans

                return over_steps(plan, context)
            return work(**values)
        except UploaderError as error:
            error.args = (str(error) + _named(str(error), context),)
            raise

    command.callback = callback


def variable(parameter: click.Parameter) -> str:
    """The name of a parameter's variable, by the option, or by an argument's name in the usage."""
    return PREFIX + key_of(parameter).upper()


def is_by_variable(name: str) -> bool:
    """Whether a parameter of the current command is set by a variable."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.ENVIRONMENT


def usage_text(error: click.ClickException) -> str:
    """The text of a usage error, with what set the value, or suggestions for an unknown name."""
    text = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        if isinstance(error, click.NoSuchOption):
            known = [name for one in error.ctx.command.get_params(error.ctx) for name in one.opts]
            return _with_advice("option", error.option_name, known, error.ctx)
        named = _named(text, error.ctx)
        return text.removesuffix(".") + named if named else text
    return text


def unknown_command(typed: str, known: Iterable[str], context: click.Context) -> click.UsageError:
    """The error for a command that does not exist, with those that may be meant."""
    return click.UsageError(_with_advice("command", typed, known, context), context)


def _with_advice(kind: str, typed: str, known: Iterable[str], context: click.Context) -> str:
    """A message on an unknown name, with names that may be meant."""
    meant = " or ".join(suggestions(typed, known))
    advice = f"did you mean {meant}?" if meant else f"see `{context.command_path} --help`"
    return f"No such {kind} {typed!r}; {advice}"


def say_settings(context: click.Context) -> None:
    """Print the settings that differ from the defaults, and where they come from. None is a secret."""
    options, variables, keys = [], [], []
    for parameter in context.command.params:
        source, value = _source(parameter, context), context.params.get(parameter.name or "")
        if parameter.expose_value and source is ParameterSource.DEFAULT_MAP:
            shown_value = str(value).lower() if isinstance(value, bool) else _shown(value)  # as TOML has it
            keys.append(f"{key_of(parameter)} = {shown_value}")
        if not parameter.expose_value or value == parameter.get_default(context):
            continue
        text = "(not shown)" if option_of(parameter) == TOKEN_COMMAND else _shown(value)
        if source is ParameterSource.ENVIRONMENT:
            variables.append(f"{_variable_used(parameter)}={text}")
        elif source is ParameterSource.COMMANDLINE and isinstance(parameter, click.Option):
            options.append(option_of(parameter) + (f" {text}" if value is not True else ""))
    from uploader.cli.logs import print_message  # noqa: PLC0415  # only where there is something to say

    if options:
        print_message(f"settings by options: {', '.join(options)}")
    if variables:
        print_message(f"settings by variables: {', '.join(variables)}")
    if keys and plan_in_use(context) is None and (project := project_in_use()):
        print_message(printable(f"settings by {project.path}: {', '.join(keys)}", 2000))


def options_from_variables(context: click.Context) -> list[str]:
    """The options and arguments set by variables, as words of a command line; without a token command, which
    may hold a secret.
    """
    words: list[str] = []
    arguments: list[str] = []
    for parameter in context.command.params:
        is_set = _source(parameter, context) is ParameterSource.ENVIRONMENT
        if not is_set or option_of(parameter) == TOKEN_COMMAND:
            continue
        value = context.params[parameter.name or ""]
        if isinstance(parameter, click.Argument):
            arguments += [str(one) for one in (value if isinstance(value, tuple) else (value,))]
        else:
            words += as_words(option_of(parameter), value)
    return words + arguments


def _epilog(command: click.Command) -> str:
    example = next((one for one in map(option_of, command.params) if one.startswith("--")), None)
    if example is None:
        return ""
    name = PREFIX + example.removeprefix("--").replace("-", "_").upper()
    repeated = any(isinstance(parameter.type, _Lines) for parameter in command.params)
    values = "Flags take 1 or 0" + (", repeatable options one value per line" if repeated else "")
    alone = [option for option in map(option_of, command.params) if option in ONE_RUN]
    text = f"Every option can be set by an environment variable, {example} by {name}. {values}."
    if not alone:
        return text
    # Wrapped here: click would break an option at its dashes.
    but = textwrap.fill(f"Only on the command line: {', '.join(alone)}.", 76, break_on_hyphens=False)
    return f"{text}\n\n\b\n{but}"


def _source(parameter: click.Parameter, context: click.Context) -> ParameterSource | None:
    return context.get_parameter_source(parameter.name or "")


def _variable_used(parameter: click.Parameter) -> str:
    return next((name for name in parameter.envvar or () if os.environ.get(name)), variable(parameter))


def _refuse_one_run_options(context: click.Context) -> None:
    """SettingsError if a variable sets an option that is for one run only."""
    for parameter in context.command.params:
        option = option_of(parameter)
        is_given = _source(parameter, context) is ParameterSource.ENVIRONMENT
        if is_given and option in ONE_RUN and context.params[parameter.name or ""]:
            raise SettingsError(
                f"{variable(parameter)}: {option} is accepted on the command line only; in a variable that "
                f"stays set it would {ONE_RUN[option]}{_INSTEAD.get(option, '')}"
            )


def _warn_of_unknown(context: click.Context, all_commands: Callable[[], Iterable[click.Command]]) -> None:
    """Warn of variables with our prefix that are no option's: they may be misspelled."""
    given = {name for name in os.environ if name.startswith(PREFIX)}
    given -= {variable(parameter) for parameter in context.command.params}
    if not given:
        return  # no need to import the other commands
    known = {variable(parameter) for command in all_commands() for parameter in command.params}
    unknown = sorted(given - known)
    if unknown:
        from uploader.cli.logs import print_message  # noqa: PLC0415  # only where there is something to say

        alike = suggestions(unknown[0].removeprefix(PREFIX), (name.removeprefix(PREFIX) for name in known))
        meant = f" (did you mean {PREFIX}{alike[0]}?)" if alike else ""
        names = ", ".join(unknown[:_MOST_SHOWN])
        more = f" and {len(unknown) - _MOST_SHOWN} more" if len(unknown) > _MOST_SHOWN else ""
        print_message(printable(f"ignored, not an option: {names}{more}{meant}"))


def _warn_of_typed_password(context: click.Context) -> None:
    """Warn of a database's password on the command line, which the list of processes shows."""
    for parameter in context.command.params:
        values = context.params.get(parameter.name or "")
        if not isinstance(values, tuple) or _source(parameter, context) is not ParameterSource.COMMANDLINE:
            continue
        if any(is_database(str(one)) and shown(str(one)) != str(one) for one in values):
            from uploader.cli.logs import print_message  # noqa: PLC0415  # as above

            print_message(
                "the list of processes and the shell's history show this URL with its password: put it into "
                f"{variable(parameter)}, or leave the password to the driver (PGPASSWORD, ~/.pgpass)"
            )


def _named(text: str, context: click.Context) -> str:
    """A text that says what set the options or values that an error mentions: variables or a file."""
    mentioned = set(re.findall(r"--[a-z][a-z-]*|[A-Z]{4,}", text))
    found = [
        f"{option_of(parameter)} is set by {setter}"
        for parameter in context.command.params
        if (setter := _setter(parameter, context))
        and (
            option_of(parameter) in mentioned or _is_mentioned(context.params.get(parameter.name or ""), text)
        )
        and setter not in text
    ]
    return f" ({', '.join(found)})" if found else ""


def _setter(parameter: click.Parameter, context: click.Context) -> str:
    """What set a parameter: a variable, or a line of a project file; "" for the command line."""
    source = _source(parameter, context)
    if source is ParameterSource.ENVIRONMENT:
        return _variable_used(parameter)
    if source is not ParameterSource.DEFAULT_MAP:
        return ""
    plan, project = plan_in_use(context), project_in_use(context)
    files = plan.steps if plan else [project] if project else []
    places = {one.place_of(option_of(parameter)) for one in files}
    return places.pop() if len(places) == 1 else ""  # steps of a plan have lines of their own


def _is_mentioned(value: object, text: str) -> bool:
    """Whether a text mentions a value, such as a path; short values are ignored."""
    values = [str(one) for one in (value if isinstance(value, tuple) else (value,))]
    return any(len(one) >= _MENTIONED_CHARACTERS and one in text for one in values)


def _shown(value: object) -> str:
    """A value as text, without addresses, and without the secrets of a URL."""
    if isinstance(value, tuple):
        some = "; ".join(_shown(one) for one in value[:_MOST_SHOWN])
        return some if len(value) <= _MOST_SHOWN else f"{some} and {len(value) - _MOST_SHOWN} more"
    if isinstance(value, bool):
        return str(int(value))
    text = str(value)
    return printable(without_addresses(shown(text) if is_url(text) else text), _SHOWN_CHARACTERS)
