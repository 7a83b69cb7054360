"""The settings of a job as keyword arguments: the names of `Settings`, with texts and numbers also accepted.

Raise `SettingsError`. Its text names the options of the command line, which have the same names.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypedDict

from uploader.errors import SettingsError
from uploader.hubspot.proxy import Network
from uploader.hubspot.sign_in.token_renewal import OAuth, TokenFile
from uploader.model.associations import LinkColumn
from uploader.pipeline.failure_limits import FailureLimit, Tolerance
from uploader.pipeline.rate.daily_quota import Reserve
from uploader.pipeline.rate.limiter import Quota
from uploader.records.associations.link_columns import read_association
from uploader.records.columns import MappingError
from uploader.records.duplicates import OnDuplicate
from uploader.records.suppression_list import Suppression
from uploader.records.write_policy import Only, Policy
from uploader.settings import Settings
from uploader.settings.safety import parse_failure_limit, parse_tolerance
from uploader.settings.speed import OnLongPause, parse_duration, parse_rate, parse_reserve, parse_share

AnyPath = str | os.PathLike[str]
#: Texts by column, or one text for all columns.
ByColumn = Mapping[str, str] | str


class Options(TypedDict, total=False):
    """Keyword arguments for the fields of `Settings`, which documents them and their defaults."""

    token: str
    id_property: str
    match: Iterable[str] | str
    object_type: str
    sign_in: OAuth | TokenFile | None
    checkpoint: AnyPath | None
    checkpoint_dir: AnyPath | None
    results: AnyPath | None
    write_results: bool
    job_name: str
    base_url: str
    network: Network
    api_version: str
    rate: Quota | str | None
    share: float | str
    daily_reserve: Reserve | str | int
    max_in_flight: int
    mapped: Mapping[str, str]
    ignored: Iterable[str]
    only: Iterable[str]
    cleared: Iterable[str]
    blank_values: Mapping[str, Iterable[str]] | Iterable[str]
    date_orders: ByColumn
    decimals: ByColumn
    option_readings: ByColumn
    timezones: ByColumn
    owner_map: Mapping[str, str]
    translations: Mapping[str, Mapping[str, str]]
    on_bad_value: Literal["reject", "drop"]
    include_superseded: bool
    on_duplicate: OnDuplicate | str | None
    policy: Policy | str
    policies: Mapping[str, Policy | str]
    only_records: Only | str
    skip_unchanged: bool
    suppression: Suppression | None
    suppress_where: Mapping[str, Iterable[str]]
    opt_outs: Literal["", "list", "skip"]
    constants: Mapping[str, str]
    allowed: Iterable[str]
    associations: Iterable[LinkColumn] | Mapping[str, str | Mapping[str, str | bool]]
    create_labels: bool
    create_missing: Iterable[str]
    snapshot: bool
    add_to_list: str
    format: Literal["csv", "ndjson", "json"] | None
    delimiter: str | None
    encoding: str | None
    sheet: str | None
    accept_unfinished_last_line: bool
    portal: str | int
    canary: int | None
    canary_wait_seconds: float
    approve_canary: bool
    limit: int | None
    max_failures: FailureLimit | str | int
    tolerate: Tolerance | str | int | None
    restart: bool
    accept_changed_settings: bool
    accept_changed_results: bool
    on_long_pause: OnLongPause | str
    drain_timeout_seconds: float
    max_duration_seconds: float | str | None
    outage_seconds: float
    first_contact_seconds: float


def make_settings(sources: tuple[str, ...], given: Iterable[str], options: Mapping[str, Any]) -> Settings:
    """Make `Settings` from keyword arguments. `given`: names of the sources that are rows of a program."""
    for name in options:
        if name not in _KNOWN:
            near = get_close_matches(name, _KNOWN, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"there is no setting {name!r}{hint}")
    values = {name: _READ[name](name, value) if name in _READ else value for name, value in options.items()}
    try:
        return Settings(**{"token": "", **values, "sources": sources, "given": frozenset(given)})
    except (TypeError, AttributeError) as error:
        # A value of a wrong type, from a program whose types are not checked.
        raise SettingsError(f"a setting has a wrong type: {error}") from error


_KNOWN = frozenset(field.name for field in fields(Settings)) - {
    "sources",
    "given",
    "repeated_options",
    "offline",
    "translation_places",
}

Read = Callable[[str, Any], Any]


def _parsed(parse: Callable[[str], Any]) -> Read:
    return lambda _, value: parse(value) if isinstance(value, str) else value


def _path(name: str, value: object) -> Path | None:
    if value is None or isinstance(value, str | os.PathLike):
        return None if value is None else Path(value)
    raise SettingsError(f"{name} takes a path")


def _names(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise SettingsError(f"{name} takes several names, such as ['a', 'b']")
    return tuple(str(one) for one in value)


def _set_of_names(name: str, value: object) -> frozenset[str]:
    return frozenset(_names(name, value))


def _match(name: str, value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else _names(name, value)


def _by_column(name: str, value: object) -> dict[str, str]:
    if isinstance(value, str):
        return {"": value}
    return dict(_mapping(name, value))


def _mapping(name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SettingsError(f"{name} takes a mapping of columns to values")
    return value


def _one_of(kind: Callable[[Any], Any], values: Iterable[str]) -> Read:
    def read(name: str, value: object) -> object:
        try:
            return kind(value)
        except ValueError as error:
            raise SettingsError(
                f"{name} {value!r} is not one of {', '.join(filter(None, values))}"
            ) from error

    return read


def _associations(name: str, value: object) -> tuple[LinkColumn, ...]:
    if isinstance(value, Mapping):
        try:
            return tuple(read_association(column, given) for column, given in value.items())
        except MappingError as error:
            raise SettingsError(f"{name}: {error}") from error
    found = tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(isinstance(one, LinkColumn) for one in found):
        raise SettingsError(
            f'{name} takes a mapping of columns, such as {{"AccountId": "companies.sf_account_id"}}'
        )
    return found


_policy = _one_of(Policy, Policy)


def _limit(_: str, value: object) -> object:
    return parse_failure_limit(str(value)) if isinstance(value, int | str) else value


def _reserve(_: str, value: object) -> object:
    return parse_reserve(str(value)) if isinstance(value, int | str) else value


_READ: dict[str, Read] = {
    "match": _match,
    "checkpoint": _path,
    "checkpoint_dir": _path,
    "results": _path,
    "rate": _parsed(parse_rate),
    "share": _parsed(parse_share),
    "daily_reserve": _reserve,
    "mapped": lambda name, value: dict(_mapping(name, value)),
    "ignored": _set_of_names,
    "only": _set_of_names,
    "create_missing": _set_of_names,
    "cleared": _set_of_names,
    "blank_values": lambda name, value: {
        column: _names(name, words)
        for column, words in (value.items() if isinstance(value, Mapping) else [("", value)])
    },
    "allowed": _set_of_names,
    "date_orders": _by_column,
    "decimals": _by_column,
    "option_readings": _by_column,
    "timezones": _by_column,
    "translations": lambda name, value: {
        column: dict(_mapping(name, table)) for column, table in _mapping(name, value).items()
    },
    "on_duplicate": lambda name, value: (
        None if value is None else _one_of(OnDuplicate, OnDuplicate)(name, value)
    ),
    "policy": _policy,
    "policies": lambda name, value: {
        column: _policy(name, policy) for column, policy in _mapping(name, value).items()
    },
    "only_records": _one_of(Only, Only),
    "suppress_where": lambda name, value: {
        column: _names(name, values) for column, values in _mapping(name, value).items()
    },
    "associations": _associations,
    "portal": lambda _, value: str(value),
    "max_failures": _limit,
    "tolerate": lambda _, value: parse_tolerance(str(value)) if isinstance(value, int | str) else value,
    "max_duration_seconds": _parsed(parse_duration),
    "on_long_pause": _one_of(OnLongPause, OnLongPause),
}
