"""Options that shape a job, for `upload` and what looks ahead of it: what is read and matched by what."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from uploader.commands.column_options import column_settings, columned
from uploader.commands.marking_options import marking, marking_settings
from uploader.commands.options import PATH, talking, talking_settings
from uploader.commands.writing_options import writing, writing_settings, writing_words
from uploader.core.repeats import OnDuplicate
from uploader.errors import SettingsError
from uploader.settings import BASE_URL, Settings, parse_match

Command = TypeVar("Command", bound=Callable[..., Any])

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
)


def shaping(command: Command) -> Command:
    """Give a command the options of `job_settings`: all that say what is written, and to whom."""
    command = columned(marking(writing(talking(command))))
    for option in reversed(_SOURCES):
        command = option(command)
    return command


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


def said_again(settings: Settings) -> list[str]:
    """The options that say these settings, for a command to be typed next."""
    tables = (
        ("--map", settings.mapped),
        ("--date-order", settings.date_orders),
        ("--decimal", settings.decimals),
        ("--timezone", settings.timezones),
    )
    lists = (("--ignore", settings.ignored), ("--only", settings.only), ("--clear", settings.cleared))
    key = "--id-property" if len(settings.match) == 1 else "--match"
    plain = (
        (key, ",".join(settings.match), "email"),
        ("--object-type", settings.object_type, "contacts"),
        ("--on-bad-value", settings.on_bad_value, "reject"),
        ("--on-duplicate", settings.on_duplicate.value, OnDuplicate.IN_ORDER.value),
        ("--format", settings.format, None),
        ("--delimiter", settings.delimiter, None),
        ("--encoding", settings.encoding, None),
        ("--sheet", settings.sheet, None),
    )
    words = [word for option, said, usual in plain if said and said != usual for word in (option, said)]
    for option, table in tables:
        words += [
            w for column, said in table.items() for w in (option, f"{column}={said}" if column else said)
        ]
    words += [word for option, columns in lists for column in sorted(columns) for word in (option, column)]
    words += _people_words(settings)
    words += ["--include-superseded"] if settings.include_superseded else []
    words += writing_words(settings)
    words += ["--owner-map", "THE SAME FILE"] if settings.owner_map else []
    words += ["--checkpoint", str(settings.checkpoint)] if settings.checkpoint else []
    words += ["--checkpoint-dir", str(settings.checkpoint_dir)] if settings.checkpoint_dir else []
    words += ["--api-version", settings.api_version] if settings.api_version != "v3" else []
    return [*words, *(["--base-url", settings.base_url] if settings.base_url != BASE_URL else [])]


def _people_words(settings: Settings) -> list[str]:
    files = settings.suppression.files if settings.suppression else ()
    words = [word for file in files for word in ("--suppress", file)]
    for column, values in settings.suppress_where.items():
        said = [f"{column}={value}" for value in values] or [column]
        words += [word for one in said for word in ("--suppress-where", one)]
    words += [w for name, value in settings.constants.items() for w in ("--set", f"{name}={value}")]
    return words + [word for name in sorted(settings.allowed) for word in ("--allow", name)]
