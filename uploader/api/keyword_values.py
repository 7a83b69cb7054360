"""What each keyword takes: its value, as `Settings` has it. Files that keywords name are read.

Raise `SettingsError`, which names the keyword and does not quote what may be a secret.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from ssl import CERT_REQUIRED, SSLContext
from typing import Any, get_args, get_origin, get_type_hints

from uploader.api.options import Names, Options
from uploader.api.wording import Takes
from uploader.errors import SettingsError
from uploader.hubspot.requests import VERSIONS
from uploader.hubspot.sign_in.token_renewal import OAuth, TokenCommand, TokenFile
from uploader.model.associations import LinkColumn
from uploader.option_files.owner_map import read_owner_map
from uploader.option_files.suppression import read_suppression
from uploader.option_files.value_tables import read_value_tables
from uploader.pipeline.failure_limits import FailureLimit, Tolerance
from uploader.pipeline.rate.daily_quota import Reserve
from uploader.pipeline.rate.limiter import Quota
from uploader.records.associations.link_columns import read_association
from uploader.records.columns import LIST, SKIP, MappingError
from uploader.records.duplicates import OnDuplicate
from uploader.records.suppression_list import Suppression
from uploader.records.values.value_tables import ValueTables
from uploader.records.write_policy import Policy
from uploader.settings.columns import parse_match
from uploader.settings.safety import parse_failure_limit, parse_tolerance
from uploader.settings.speed import OnLongPause, parse_duration, parse_rate, parse_reserve, parse_share


def _takes(hint: Any) -> Takes:  # noqa: ANN401  # a type of any kind
    kinds = get_args(hint) or (hint,)
    inner = [get_args(one)[1] for one in kinds if get_origin(one) is Mapping] or (
        [get_args(hint)[1]] if get_origin(hint) is Mapping else []
    )
    if hint is bool:
        return Takes.FLAG
    if inner and inner[0] == Names:
        return Takes.LISTS_OR_NAMES if Iterable[str] in kinds else Takes.LISTS
    if inner:
        return Takes.TABLE
    return Takes.NAMES if hint == Names else Takes.VALUE


_HINTS: Mapping[str, Any] = get_type_hints(Options)
TAKES: dict[str, Takes] = {name: _takes(hint) for name, hint in _HINTS.items()}
CHOICES: Mapping[str, Collection[str]] = {
    "format": ("csv", "ndjson", "json"),
    "on_duplicate": tuple(OnDuplicate),
    "opt_outs": (LIST, SKIP),
    "on_bad_value": ("reject", "drop"),
    "write": tuple(Policy),
    "on_long_pause": tuple(OnLongPause),
    "id_property": ("id", "domain"),
    "api_version": VERSIONS,
}


Read = Callable[[str, Any], Any]


def value_of(name: str, value: object) -> Any:  # noqa: ANN401  # of many types
    """The value of a keyword."""
    return _READ[name](name, value)


def _wrong(name: str, takes: str, value: object) -> SettingsError:
    """The value is not quoted, because it may be a secret."""
    return SettingsError(f"{name}= takes {takes}, not {type(value).__name__}")


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _wrong(name, "True or False", value)


def _whole(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _wrong(name, "a whole number", value)


def _number(name: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise _wrong(name, "a number of seconds", value)


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise _wrong(name, "a text", value)


def _text_or_whole(name: str, value: object) -> str:
    return str(value if isinstance(value, str) else _whole(name, value))


def _path(name: str, value: object) -> Path:
    if isinstance(value, str | os.PathLike):
        return Path(value)
    raise _wrong(name, "a path", value)


def _names(name: str, value: object) -> tuple[str, ...]:
    listed = _listed(value)
    if listed is None or not all(isinstance(one, str) for one in listed):
        raise _wrong(name, "a name or several, such as ['a', 'b']", value)
    return tuple(map(str, listed))


def _listed(value: object) -> list[object] | None:
    """One text, or several values; None for anything else."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, bytes | Mapping) or not isinstance(value, Iterable):
        return None
    return list(value)


def _set_of_names(name: str, value: object) -> frozenset[str]:
    return frozenset(_names(name, value))


def _match(name: str, value: object) -> tuple[str, ...]:
    return parse_match(value) if isinstance(value, str) else _names(name, value)


def _table(name: str, value: object) -> dict[str, str]:
    if isinstance(value, Mapping) and all(isinstance(one, str) for pair in value.items() for one in pair):
        return dict(value)
    raise _wrong(name, "a mapping of texts, such as {'a': 'b'}", value)


def _by_column(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, str | Mapping):
        raise _wrong(name, "a text, or a mapping of columns to texts such as {'a': 'b'}", value)
    table = {"": value} if isinstance(value, str) else _table(name, value)
    upper = {column: text.strip().upper() for column, text in table.items()}
    return {c: upper[c] if name == "date_order" else text for c, text in table.items()}


def _lists(name: str, value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise _wrong(name, "a mapping of columns to values, such as {'a': ['b']}", value)
    return {str(column): _names(name, words) for column, words in value.items()}


def _words(name: str, value: object) -> dict[str, tuple[str, ...]]:
    if isinstance(value, Mapping):
        return _lists(name, value)
    words = _names(name, value)
    return {"": words} if words else {}


def _one_of(kind: Callable[[Any], Any], values: Iterable[str]) -> Read:
    def read(name: str, value: object) -> object:
        try:
            return kind(value)
        except ValueError as error:
            shown = repr(value) if isinstance(value, str) else type(value).__name__
            raise SettingsError(f"{name}= takes one of {', '.join(values)}, not {shown}") from error

    return read


def _literal(*values: str) -> Read:
    def kind(value: object) -> object:
        if value not in values:
            raise ValueError
        return value

    return _one_of(kind, filter(None, values))


def _parsed(parse: Callable[[str], Any], made: type | tuple[type, ...], takes: str) -> Read:
    """Parse a text or a whole number, unless it is one of the types that are `made` of it."""

    def read(name: str, value: object) -> object:
        if isinstance(value, made):
            return value
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            return parse(str(value))
        raise _wrong(name, takes, value)

    return read


def _associations(name: str, value: object) -> tuple[LinkColumn, ...]:
    if isinstance(value, Mapping):
        try:
            return tuple(read_association(column, given) for column, given in value.items())
        except MappingError as error:
            raise SettingsError(f"{name}= {error}") from error
    found = tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(isinstance(one, LinkColumn) for one in found):
        raise _wrong(name, "a mapping, such as {'AccountId': 'companies.sf_account_id'}", value)
    return found


def _owner_map(name: str, value: object) -> dict[str, str]:
    return _table(name, value) if isinstance(value, Mapping) else read_owner_map(_path(name, value))


def _values(name: str, value: object) -> ValueTables:
    if not isinstance(value, Mapping):
        return read_value_tables(_path(name, value))
    tables = ValueTables()
    try:
        for column, table in value.items():
            for word, replacement in _table(name, table).items():
                tables.add(str(column), word, replacement, f"values= of {column!r}")
    except MappingError as error:
        raise SettingsError(str(error)) from error
    return tables


def _suppress(name: str, value: object) -> Suppression | None:
    if isinstance(value, Suppression):
        return value
    listed = _listed(value)
    return read_suppression([_path(name, one) for one in ([value] if listed is None else listed)])


def _instance(kind: type, takes: str) -> Read:
    def read(name: str, value: object) -> object:
        if isinstance(value, kind):
            return value
        raise _wrong(name, takes, value)

    return read


def _share(name: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return parse_share(_text(name, value))


def _seconds(name: str, value: object) -> float:
    return parse_duration(value) if isinstance(value, str) else _number(name, value)


def _proxy(name: str, value: object) -> str:
    return _text(name, value)


def _ssl(name: str, value: object) -> SSLContext | str:
    if not isinstance(value, SSLContext):
        return str(_path(name, value))
    if value.verify_mode is not CERT_REQUIRED or not value.check_hostname:
        raise SettingsError(
            f"{name}= takes a context that verifies certificate and host name; this one would send the token "
            "to anybody"
        )
    return value


def _token_file(name: str, value: object) -> Path:
    return Path(value.path) if isinstance(value, TokenFile) else _path(name, value)


def _token_command(name: str, value: object) -> TokenCommand:
    if isinstance(value, TokenCommand):
        return value
    try:
        return TokenCommand(_text(name, value))
    except SettingsError as error:
        raise SettingsError(f"{name}=: {error}") from error


_READ: Mapping[str, Read] = {
    **dict.fromkeys((name for name, takes in TAKES.items() if takes is Takes.FLAG), _flag),
    **dict.fromkeys(
        (
            "token",
            "base_url",
            "object_type",
            "id_property",
            "delimiter",
            "encoding",
            "sheet",
            "query",
            "add_to_list",
        ),
        _text,
    ),
    **dict.fromkeys(("oauth_file", "mapping", "checkpoint", "checkpoint_dir", "results"), _path),
    **dict.fromkeys(("ignore", "only", "clear", "create_missing", "allow"), _set_of_names),
    **dict.fromkeys(("overwrite", "fill", "create_only"), _names),
    **dict.fromkeys(("map", "set"), _table),
    **dict.fromkeys(("date_order", "decimal", "options", "timezone"), _by_column),
    **dict.fromkeys(("max_in_flight", "limit", "canary"), _whole),
    **dict.fromkeys(("outage_timeout", "canary_wait", "drain_timeout"), _number),
    "token_file": _token_file,
    "token_command": _token_command,
    "oauth": _instance(OAuth, "an OAuth(client_id, client_secret, refresh_token)"),
    "api_version": _literal(*VERSIONS),
    "proxy": _proxy,
    "ssl": _ssl,
    "rate": _parsed(parse_rate, Quota, "a text such as '190/10'"),
    "share": _share,
    "daily_reserve": _parsed(parse_reserve, Reserve, "a number or a text such as '20%'"),
    "on_long_pause": _one_of(OnLongPause, OnLongPause),
    "format": _literal("csv", "ndjson", "json"),
    "on_duplicate": _one_of(OnDuplicate, OnDuplicate),
    "match": _match,
    "blank_value": _words,
    "on_bad_value": _literal("reject", "drop"),
    "owner_map": _owner_map,
    "values": _values,
    "associate": _associations,
    "suppress": _suppress,
    "suppress_where": _lists,
    "opt_outs": _literal("", LIST, SKIP),
    "write": _one_of(Policy, Policy),
    "portal": _text_or_whole,
    "max_failures": _parsed(parse_failure_limit, FailureLimit, "a number or a text such as '5%'"),
    "tolerate": _parsed(parse_tolerance, Tolerance, "a number or a text such as '5%'"),
    "max_duration": _seconds,
}
