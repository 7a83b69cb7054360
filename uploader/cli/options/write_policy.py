"""Options of what may happen to what HubSpot holds already, and how their texts become settings."""

from collections.abc import Mapping
from typing import Any

import click

from uploader.cli.options.group import Command, add_options
from uploader.errors import SettingsError
from uploader.records.write_policy import Only, Policy

_WRITING = (
    click.option(
        "--write",
        "policy",
        type=click.Choice([policy.value for policy in Policy]),
        default=Policy.OVERWRITE.value,
        show_default=True,
        help="Values HubSpot has: overwrite them, fill only what is blank, or write new records only.",
    ),
    click.option("--overwrite", multiple=True, metavar="COLUMN", help="--write overwrite, of one column."),
    click.option("--fill", multiple=True, metavar="COLUMN", help="--write fill, of one column."),
    click.option(
        "--create-only", multiple=True, metavar="COLUMN", help="--write create-only, of one column."
    ),
    click.option("--only-existing", is_flag=True, help="Create no record: rows without one are skipped."),
    click.option("--only-new", is_flag=True, help="Change no record: rows that have one are skipped."),
    click.option("--skip-unchanged", is_flag=True, help="Read first, and don't send what is there already."),
)


def writing(command: Command) -> Command:
    """Give a command the options of `writing_settings`."""
    return add_options(command, _WRITING)


def writing_settings(said: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Settings` from what was said by these options; others are passed through."""
    fields = dict(said)
    policies: dict[str, Policy] = {}
    for policy in Policy:
        for column in fields.pop(policy.value.replace("-", "_")):
            if policies.setdefault(column, policy) is not policy:
                raise SettingsError(f"column {column!r} can't be written by two rules at once")
    existing, new = fields.pop("only_existing"), fields.pop("only_new")
    if existing and new:
        raise SettingsError("--only-existing and --only-new together leave nothing to write")
    fields["policies"] = {**fields.get("policies", {}), **policies}  # options go before a mapping file
    fields["only_records"] = Only.EXISTING if existing else Only.NEW if new else Only.ALL
    fields["policy"] = Policy(fields["policy"])
    return fields
