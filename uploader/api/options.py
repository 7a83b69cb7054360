"""The options of a job as keyword arguments: the command line's, by the same names.

The sentence below each keyword is what editors show of it, and what `help(upload)` lists; it is that of
`uploader upload --help`, as far as both mean the same. `keyword_values` reads the values.
"""

import os
from collections.abc import Iterable, Mapping
from ssl import SSLContext
from typing import Literal, TypedDict

from uploader.hubspot.sign_in.token_renewal import OAuth, TokenCommand, TokenFile
from uploader.model.associations import LinkColumn
from uploader.pipeline.failure_limits import FailureLimit, Tolerance
from uploader.pipeline.rate.daily_quota import Reserve
from uploader.pipeline.rate.limiter import Quota
from uploader.records.duplicates import OnDuplicate
from uploader.records.suppression_list import Suppression
from uploader.records.write_policy import Policy
from uploader.settings.sign_in import BASE_URL
from uploader.settings.speed import OnLongPause

AnyPath = str | os.PathLike[str]
#: Texts by column, or one text for all columns.
ByColumn = Mapping[str, str] | str
#: Names, or a single one.
Names = Iterable[str] | str


class ConnectionOptions(TypedDict, total=False):
    """The account, and how fast requests are sent."""

    token: str
    """The access token."""
    token_file: AnyPath | TokenFile | None
    """File that holds the access token; another program may replace it. Default: `token`."""
    token_command: TokenCommand | str | None
    """Program that prints the access token, for example 'op read op://crm/hubspot/token'. It is run without a
    shell, and again if HubSpot refuses the token."""
    oauth_file: AnyPath | None
    """TOML or JSON file with an app's client_id, client_secret and refresh_token; a new refresh token is
    saved there."""
    oauth: OAuth | None
    """The credentials of an app, `OAuth(client_id, client_secret, refresh_token)`, in place of a token. A new
    refresh token cannot be saved."""
    base_url: str
    """URL of HubSpot's API, or of a mock server."""
    api_version: str
    """Version of HubSpot's API."""
    proxy: str | None
    """URL of an http proxy, such as http://proxy.example:3128. Default: none."""
    ssl: SSLContext | AnyPath | None
    """File or folder of certificate authorities, or a context that verifies the server. Default: the
    machine's authorities."""
    rate: Quota | str | None
    """Send at most this many requests, for example 190/10. Default: what the account allows."""
    share: float | str
    """Use at most this share of the quota, for example 80%."""
    daily_reserve: Reserve | str | int
    """Leave this many requests of the day, or this share, to other apps; for example 20%."""
    max_in_flight: int
    """Have at most this many requests in flight at the same time."""
    on_long_pause: OnLongPause | str
    """If the daily quota is used up or HubSpot pauses the account: wait, or stop."""
    outage_timeout: float
    """Stop (exit 75) if no request succeeds for this long."""


class Options(ConnectionOptions, total=False):
    """The options of a job."""

    # --- source ---

    format: Literal["csv", "ndjson", "json"] | None
    """Format of the source. Default: detected."""
    delimiter: str | None
    """Delimiter of CSV cells. Default: detected."""
    encoding: str | None
    """Encoding of the source, for example windows-1252. Default: detected from the byte order mark, else
    UTF-8."""
    sheet: str | None
    """Sheet of an Excel file. Default: the first visible one that has rows."""
    query: str | None
    """Statement that reads the rows of a database, with an ORDER BY; the source is the URL of the database.
    Default: the table in the URL, such as sqlite:///crm.db?table=people."""
    accept_unfinished_last_line: bool
    """Send the last row of a stream, such as stdin, although no line break follows it. Default: stop before
    that row, since the stream may have been cut off."""
    include_superseded: bool
    """In a file written by `failures`: also send the rows marked as superseded, whose key a later row has
    written since."""
    on_duplicate: OnDuplicate | str | None
    """Of rows that share a key, send all in file order, the first only, the last only, or none (reject).
    Default: in-order, but a key of very many rows stops the upload before it starts."""

    # --- columns and values ---

    object_type: str
    """Type of the records: contacts, companies, deals, tickets, or a custom object's name or id (p_cars,
    2-123456)."""
    id_property: str
    """Unique property that matches rows with records, or id: rows update the records with these ids of
    HubSpot, and create none. Default: email (contacts only)."""
    match: Names
    """Several unique properties, for example email,external_id: a row is matched by the first one that it has
    a value of."""
    map: Mapping[str, str]
    """Write this column to this property."""
    ignore: Names
    """Leave this column out."""
    only: Names
    """Use this column, and leave out every column that is not named like this."""
    mapping: AnyPath | None
    """File that says what each column means, as drafted by `check --write-mapping`. Options take precedence
    over it."""
    clear: Names
    """Clear the property where a cell of this column is blank. Default: blank cells are not sent."""
    blank_value: Mapping[str, Names] | Names
    """Treat a cell of this column, or of all, as blank if it holds this word, in any case; for example
    n/a."""
    date_order: ByColumn
    """Order of day, month and year in this column, or in all; of numbers their UNIT: SERIAL (day numbers of a
    spreadsheet), or DAYS, SECONDS, MILLISECONDS, MICROSECONDS or NANOSECONDS since 1970. Default: detected
    from the values."""
    decimal: ByColumn
    """Decimal mark in this column, or in all. Default: detected from the values."""
    options: ByColumn
    """What a cell of this column, or of all, means that is the value of one option and the label of another.
    Default: asked for."""
    timezone: ByColumn
    """Time zone of times that have none, in this column or in all; for example Europe/Berlin."""
    on_bad_value: Literal["reject", "drop"] | None
    """If HubSpot would refuse a value: reject the row, or drop the value and send the rest. Default:
    reject."""
    owner_map: Mapping[str, str] | AnyPath | None
    """Owners in the source and, for each, the owner's e-mail address or id in HubSpot; or a CSV or TOML file
    with them."""
    values: Mapping[str, Mapping[str, str]] | AnyPath | None
    """By column, what replaces a value before it is read; a blank replacement: a blank cell. Or a CSV file
    with column, value and replacement in each row, or a TOML file with a table for each column."""
    associate: Mapping[str, str | Mapping[str, str | bool]] | Iterable[LinkColumn]
    """Link the row's record with the record of another type that has this column's value in its unique
    PROPERTY, for example {"AccountId": "companies.sf_account_id:Primary"}. PROPERTY may also be id (HubSpot's
    own), and domain of companies. The column is not written unless it is mapped, too."""
    create_labels: bool
    """Create the labels of links that the account does not have."""
    create_missing: Names
    """Create records of this type that a link names and HubSpot does not have, by their unique property
    alone, for example companies."""
    set: Mapping[str, str]
    """Write this value to every record."""
    allow: Names
    """Allow a property that can cost money to be written: hs_marketable_status."""

    # --- what may be overwritten ---

    suppress: Suppression | AnyPath | Iterable[AnyPath] | None
    """Skip rows of the people on this list: e-mail addresses, or their SHA-256 in hex, one per line or in the
    first column of a CSV file. Or `Suppression.of(addresses)`."""
    suppress_where: Mapping[str, Names]
    """Skip rows that have this value in this column, such as an opt-out; *: any value. No value: yes, true, 1
    and the like; in a column of consent, no: no, false, 0 and the like, and blanks."""
    opt_outs: Literal["", "list", "skip"] | None
    """What becomes of rows with an opt-out in a column that is known by its name. list: they are written, and
    their addresses go to SOURCE.optouts.csv, which you import in HubSpot as an opt-out list. skip: they are
    not sent."""
    write: Policy | str
    """overwrite: replace values that HubSpot has. fill: write only where HubSpot has no value. create-only:
    write values only to new records."""
    overwrite: Names
    """Use `write="overwrite"` for this column."""
    fill: Names
    """Use `write="fill"` for this column."""
    create_only: Names
    """Use `write="create-only"` for this column."""
    only_existing: bool
    """Create no records: skip rows whose record does not exist."""
    only_new: bool
    """Change no records: skip rows whose record exists."""
    skip_unchanged: bool
    """Read each record first, and send only values that differ."""

    # --- safety ---

    portal: str | int
    """Stop if the token belongs to another account than this one."""
    snapshot: bool
    """Read each record first, and save the values that are overwritten, so that `undo` can restore them."""
    max_failures: FailureLimit | str | int
    """Stop if more rows than this number or share have failed."""
    limit: int | None
    """Process the first N rows only, and stop (exit 75). The same call without it continues."""
    canary: int | None
    """Send N rows first, read them back, and have `judge` decide on the others; without `judge`, stop there.
    Default: 100 on a production account if there is a `judge`, else none."""
    no_canary: bool
    """Send all rows at once."""
    canary_wait: float
    """Time for workflows to act before the canary rows are read back."""
    approve_canary: bool
    """Send the other rows: the canary's result has been reviewed."""
    tolerate: Tolerance | str | int | None
    """Exit with 0 although a finished job has failed rows, up to this number or share."""
    restart: bool
    """Discard the checkpoint and the results file, and begin with the first row."""
    accept_changed_settings: bool
    """Resume although settings that decide what is written are not those the job began with."""
    accept_changed_results: bool
    """Resume with a new results file if the job's own was changed or is missing."""

    # --- how long it may take ---

    max_duration: float | str | None
    """Finish what is in flight and stop (exit 75) after this time, for example 2h30m."""
    drain_timeout: float
    """When the job is stopped, wait this long for the replies to requests in flight."""

    # --- output ---

    checkpoint: AnyPath | None
    """File that a later run resumes from. Default: path of the first source + .checkpoint. Rows of a program
    have no such path: give one, or None for a job that keeps no files and cannot be resumed."""
    checkpoint_dir: AnyPath | None
    """Directory for the checkpoint, the results file and all else that would be written beside the source."""
    results: AnyPath | None
    """CSV file with the outcome of each row. Default: path of the first source + .results.csv."""
    no_results: bool
    """Write no results file."""
    add_to_list: str
    """Put the records that the rows wrote into the static list of this name, which is made if there is
    none."""


#: What holds where a keyword is not given.
DEFAULTS: Options = {
    "token": "",
    "token_file": None,
    "token_command": None,
    "oauth_file": None,
    "oauth": None,
    "base_url": BASE_URL,
    "api_version": "v3",
    "proxy": None,
    "ssl": None,
    "rate": None,
    "share": "100%",
    "daily_reserve": 0,
    "max_in_flight": 256,
    "on_long_pause": "stop",
    "outage_timeout": 600.0,
    "format": None,
    "delimiter": None,
    "encoding": None,
    "sheet": None,
    "query": None,
    "accept_unfinished_last_line": False,
    "include_superseded": False,
    "on_duplicate": None,
    "object_type": "contacts",
    "id_property": "email",
    "match": (),
    "map": {},
    "ignore": (),
    "only": (),
    "mapping": None,
    "clear": (),
    "blank_value": (),
    "date_order": {},
    "decimal": {},
    "options": {},
    "timezone": {},
    "on_bad_value": None,
    "owner_map": None,
    "values": None,
    "associate": {},
    "create_labels": False,
    "create_missing": (),
    "set": {},
    "allow": (),
    "suppress": None,
    "suppress_where": {},
    "opt_outs": None,
    "write": "overwrite",
    "overwrite": (),
    "fill": (),
    "create_only": (),
    "only_existing": False,
    "only_new": False,
    "skip_unchanged": False,
    "portal": "",
    "snapshot": False,
    "max_failures": "20%",
    "limit": None,
    "canary": None,
    "no_canary": False,
    "canary_wait": 30.0,
    "approve_canary": False,
    "tolerate": None,
    "restart": False,
    "accept_changed_settings": False,
    "accept_changed_results": False,
    "max_duration": None,
    "drain_timeout": 20.0,
    "checkpoint": None,
    "checkpoint_dir": None,
    "results": None,
    "no_results": False,
    "add_to_list": "",
}
