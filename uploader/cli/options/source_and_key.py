"""Options that shape a job, for `upload` and what looks ahead of it: what is read and matched by what."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

import click

from uploader.cli.options.columns import column_settings, columned
from uploader.cli.options.connection import PATH, talking, talking_settings
from uploader.cli.options.group import Command, add_options
from uploader.cli.options.suppression import marking, marking_settings
from uploader.cli.options.write_policy import writing, writing_settings
from uploader.errors import SettingsError
from uploader.records.duplicates import OnDuplicate
from uploader.settings.columns import parse_match
from uploader.settings.safety import parse_failure_limit

_SOURCES = (
    click.option(
        "--checkpoint-dir",
        type=PATH,
        metavar="DIR",
        help="Checkpoint, results and what else goes beside the source, here instead.",
    ),
    click.option("--id-property", help="Match records by this unique property. Default: email, of contacts."),
    click.option(
        "--match",
        metavar="NAME,NAME",
        help="The same by several: the first of them that a row has, such as external_id,email.",
    ),
    click.option(
        "--object-type",
        default="contacts",
        show_default=True,
        help="Or companies, deals, tickets, a custom object's name or id (p_cars, 2-123456).",
    ),
    click.option(
        "--include-superseded", is_flag=True, help="Send rows that `failures` marked as superseded, too."
    ),
    click.option("--format", "format_", type=click.Choice(["csv", "ndjson", "json"]), help="Default: found."),
    click.option("--delimiter", help="Of CSV cells. Default: found. (For a tab: $'\\t')"),
    click.option("--encoding", metavar="NAME", help="Such as windows-1252. Default: UTF-8, or what shows."),
    click.option("--sheet", metavar="NAME", help="Of an Excel file. Default: the first that holds anything."),
    click.option(
        "--accept-unfinished-last-line",
        is_flag=True,
        help="Send the last row of a stream, such as stdin, although no line break follows it. "
        "Default: stop before that row, since the stream may have been cut off.",
    ),
)


def shaping(command: Command) -> Command:
    """Give a command the options of `job_settings`: all that say what is written, and to whom."""
    command = columned(marking(writing(talking(command))))
    return add_options(command, _SOURCES)


def job_settings(said: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Settings` from what was said by these options; others are passed through."""
    fields = marking_settings(writing_settings(column_settings(talking_settings(said))))
    fields["match"] = _keys(fields.pop("id_property"), fields.pop("match"))
    fields["format"] = fields.pop("format_")
    return fields


def _keys(id_property: str | None, match: str | None) -> tuple[str, ...]:
    if id_property is not None and match is not None:
        raise SettingsError("say either --match or --id-property, not both")
    return parse_match(match) if match is not None else () if id_property is None else (id_property,)


_AHEAD = (
    click.option(
        "--on-duplicate",
        type=click.Choice([rule.value for rule in OnDuplicate]),
        default=OnDuplicate.IN_ORDER.value,
        show_default=True,
        help="As for upload: rows that share a key.",
    ),
    click.option("--snapshot", is_flag=True, help="As for upload: it reads first, which costs requests."),
    click.option("--portal", metavar="ID", default="", help="The account it has to be, as for upload."),
    click.option("--max-failures", default="20%", show_default=True, metavar="N|P%", help="As for upload."),
)


def looking_ahead(command: Command) -> Command:
    """Give a command the options of `ahead_settings`: what `upload` is told beside what shapes the job, and
    what somebody who looks ahead of it has to know.
    """
    return add_options(command, _AHEAD)


def ahead_settings(said: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Settings` from what was said by these options; others are passed through."""
    fields = dict(said)
    fields["on_duplicate"] = OnDuplicate(fields["on_duplicate"])
    fields["max_failures"] = parse_failure_limit(fields["max_failures"])
    return fields


def taking_those_of(other: click.Command) -> Callable[[click.Command], click.Command]:
    """Let a command take all options of another, too: then in a line that was typed for that one the verb
    alone has to be changed. What they say makes no difference to it, so its help does not list them.
    """

    def give(command: click.Command) -> click.Command:
        known = {name for option in command.params for name in option.opts}
        for option in other.params:
            if isinstance(option, click.Option) and known.isdisjoint(option.opts):
                more = copy(option)
                more.hidden, more.expose_value = True, False
                command.params.append(more)
        return command

    return give
