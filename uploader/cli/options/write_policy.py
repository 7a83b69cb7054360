"""Options for which of HubSpot's values may be overwritten, and their settings."""

from collections.abc import Mapping
from typing import Any

import click

from uploader.cli.options.group import Heading, option
from uploader.errors import SettingsError
from uploader.records.write_policy import Only, Policy

#: The options of `write_policy_settings`.
WRITE_POLICY_OPTIONS = (
    option(
        Heading.OVERWRITING,
        "--write",
        "policy",
        type=click.Choice([policy.value for policy in Policy]),
        default=Policy.OVERWRITE.value,
        show_default=True,
        help="overwrite: replace values that HubSpot has. fill: write only where HubSpot has no value. "
        "create-only: write values only to new records.",
    ),
    option(
        Heading.OVERWRITING,
        "--overwrite",
        multiple=True,
        metavar="COLUMN",
        help="Use `--write overwrite` for this column.",
    ),
    option(
        Heading.OVERWRITING,
        "--fill",
        multiple=True,
        metavar="COLUMN",
        help="Use `--write fill` for this column.",
    ),
    option(
        Heading.OVERWRITING,
        "--create-only",
        multiple=True,
        metavar="COLUMN",
        help="Use `--write create-only` for this column.",
    ),
    option(
        Heading.OVERWRITING,
        "--only-existing",
        is_flag=True,
        help="Create no records: skip rows whose record does not exist.",
    ),
    option(
        Heading.OVERWRITING,
        "--only-new",
        is_flag=True,
        help="Change no records: skip rows whose record exists.",
    ),
    option(
        Heading.OVERWRITING,
        "--skip-unchanged",
        is_flag=True,
        help="Read each record first, and send only values that differ.",
    ),
)


def write_policy_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Settings` from the values of these options; other values are passed through."""
    fields = dict(values)
    policies: dict[str, Policy] = {}
    for policy in Policy:
        for column in fields.pop(policy.value.replace("-", "_")):
            if policies.setdefault(column, policy) is not policy:
                raise SettingsError(
                    f"column {column!r} is in two of --overwrite, --fill and --create-only; keep one"
                )
    existing, new = fields.pop("only_existing"), fields.pop("only_new")
    if existing and new:
        raise SettingsError("--only-existing and --only-new exclude each other")
    fields["policies"] = {**fields.get("policies", {}), **policies}  # options go before a mapping file
    fields["only_records"] = Only.EXISTING if existing else Only.NEW if new else Only.ALL
    fields["policy"] = Policy(fields["policy"])
    return fields
