"""Options for what a job reads and how rows are matched, of `upload`, `check` and `preview`."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from uploader.cli.options.columns import COLUMN_OPTIONS, column_settings
from uploader.cli.options.connection import (
    CONNECTION_OPTIONS,
    PATH,
    account_options,
    connection_settings,
)
from uploader.cli.options.group import Command, Heading, add_options, option
from uploader.cli.options.parameters import ChoiceOrNone, NameList
from uploader.cli.options.suppression import SUPPRESSION_OPTIONS, suppression_settings
from uploader.cli.options.write_policy import WRITE_POLICY_OPTIONS, write_policy_settings
from uploader.cli.project_file import PROJECT, project_in_use
from uploader.errors import SettingsError
from uploader.records.duplicates import OnDuplicate
from uploader.settings.columns import parse_match
from uploader.settings.safety import parse_failure_limit

_OPTIONS = (
    option(
        Heading.SOURCE,
        "--format",
        "format_",
        type=ChoiceOrNone(["csv", "ndjson", "json"]),
        help="Format of the source. Default: detected.",
    ),
    option(
        Heading.SOURCE,
        "--delimiter",
        metavar="CHARACTER",
        help="Delimiter of CSV cells (a tab: $'\\t'). Default: detected.",
    ),
    option(
        Heading.SOURCE,
        "--encoding",
        metavar="NAME",
        help="Encoding of the source, for example windows-1252. Default: detected from the byte order mark, "
        "else UTF-8.",
    ),
    option(
        Heading.SOURCE,
        "--sheet",
        metavar="NAME",
        help="Sheet of an Excel file. Default: the first visible one that has rows.",
    ),
    option(
        Heading.SOURCE,
        "--query",
        metavar="SQL",
        help="Statement that reads the rows of a database, with an ORDER BY; the source is the URL of the "
        "database. Default: the table in the URL, such as sqlite:///crm.db?table=people.",
    ),
    option(
        Heading.SOURCE,
        "--accept-unfinished-last-line",
        is_flag=True,
        help="Send the last row of a stream, such as stdin, although no line break follows it. "
        "Default: stop before that row, since the stream may have been cut off.",
    ),
    option(
        Heading.SOURCE,
        "--include-superseded",
        is_flag=True,
        help="In a file written by `failures`: also send the rows marked as superseded, whose key a "
        "later row has written since.",
    ),
    option(
        Heading.SOURCE,
        "--on-duplicate",
        type=click.Choice([rule.value for rule in OnDuplicate]),
        help="Of rows that share a key, send all in file order, the first only, the last only, or none "
        "(reject). Default: in-order, but a key of very many rows stops the upload before it starts.",
    ),
    option(
        Heading.COLUMNS,
        "--object-type",
        metavar="NAME",
        default="contacts",
        show_default=True,
        help="Type of the records: contacts, companies, deals, tickets, or a custom object's name or id "
        "(p_cars, 2-123456).",
    ),
    option(
        Heading.COLUMNS,
        "--id-property",
        metavar="NAME",
        help="Unique property that matches rows with records, or id: rows update the records with these "
        "ids of HubSpot, and create none. Default: email (contacts only).",
    ),
    option(
        Heading.COLUMNS,
        "--match",
        type=NameList(),
        metavar="NAME,NAME",
        help="Several unique properties, for example email,external_id: a row is matched by the first one "
        "that it has a value of.",
    ),
    option(
        Heading.SAFETY,
        "--portal",
        metavar="ID",
        default="",
        help="Stop if the token belongs to another account than this one.",
    ),
    option(
        Heading.SAFETY,
        "--snapshot",
        is_flag=True,
        help="Read each record first, and save the values that are overwritten, so that `undo` can "
        "restore them.",
    ),
    option(
        Heading.SAFETY,
        "--max-failures",
        metavar="N|P%",
        default="20%",
        show_default=True,
        help="Stop if more rows than this number or share have failed.",
    ),
    option(
        Heading.SAFETY,
        "--limit",
        type=int,
        metavar="N",
        help="Process the first N rows only, and stop (exit 75). The same command without it continues.",
    ),
    option(
        Heading.OUTPUT,
        "--add-to-list",
        metavar="NAME",
        default="",
        help="Put the records that the rows wrote into the static list of this name, which is made if there "
        "is none.",
    ),
    option(
        Heading.OUTPUT,
        "--checkpoint-dir",
        type=PATH,
        metavar="DIR",
        help="Directory for the checkpoint, the results file and all else that would be written beside the "
        "source.",
    ),
)


#: The options of `job_settings`.
JOB_OPTIONS = (
    *_OPTIONS,
    *COLUMN_OPTIONS,
    *SUPPRESSION_OPTIONS,
    *WRITE_POLICY_OPTIONS,
    *CONNECTION_OPTIONS,
)


def job_options(command: Command) -> Command:
    """Add the options of `job_settings` to a command, and the project file that may give them."""
    return add_options(command, (PROJECT, *JOB_OPTIONS))


def job_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Settings` from the values of these options; other values are passed through."""
    fields = suppression_settings(write_policy_settings(column_settings(connection_settings(values))))
    fields["repeated_options"] = {**fields["repeated_options"], **account_options(values)}
    fields["match"] = _keys(fields.pop("id_property"), fields.pop("match"))
    project = project_in_use()
    fields["job_name"] = project.job_name if project else ""
    # "": not that of the project file
    fields["format"] = fields.pop("format_")
    fields |= {name: fields[name] or None for name in ("encoding", "sheet", "query")}
    rule = fields["on_duplicate"] = fields["on_duplicate"] and OnDuplicate(fields["on_duplicate"])
    if rule is OnDuplicate.IN_ORDER:  # the job records others
        fields["repeated_options"]["--on-duplicate"] = (rule.value,)
    if fields.get("add_to_list"):
        fields["repeated_options"]["--add-to-list"] = (fields["add_to_list"],)
    if fields["create_missing"]:
        fields["repeated_options"]["--create-missing"] = tuple(sorted(fields["create_missing"]))
    fields["max_failures"] = parse_failure_limit(fields["max_failures"])
    return fields


def reading_settings(sources: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """`job_settings` for a command that writes no job: temporary files go beside the checkpoint's path."""
    fields = job_settings(values)
    if "-" in sources:  # it has no folder of its own
        fields["checkpoint"] = fields["checkpoint"] or PATH.convert("stdin.checkpoint", None, None)
    return {**fields, "write_results": False}


def _keys(id_property: str | None, match: str | None) -> tuple[str, ...]:
    if id_property is not None and match is not None:
        raise SettingsError("use either --match or --id-property, not both")
    return parse_match(match) if match is not None else () if id_property is None else (id_property,)
