"""The settings of a job from keyword arguments.

In    keywords and their values, as `options` lists them.
Out   `Settings`, or fields of it.
Raise `SettingsError`, which names the keyword.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from difflib import get_close_matches
from typing import Any

from uploader.api.keyword_values import CHOICES, TAKES, value_of
from uploader.api.options import ConnectionOptions
from uploader.api.wording import Takes, naming_keywords
from uploader.errors import SettingsError
from uploader.hubspot.proxy import given_network
from uploader.hubspot.sign_in.credential_files import read_oauth, read_token
from uploader.hubspot.sign_in.token_renewal import TokenFile
from uploader.option_files.mapping import beside_options, read_mapping
from uploader.records.values.value_tables import ValueTables
from uploader.records.write_policy import Only, Policy
from uploader.settings import Settings
from uploader.settings.sign_in import BASE_URL, check_base_url
from uploader.system.supported_systems import refuse_unsupported_system

#: Keyword -> field of `Settings`, where they differ.
FIELDS = {
    "map": "mapped",
    "ignore": "ignored",
    "clear": "cleared",
    "blank_value": "blank_values",
    "date_order": "date_orders",
    "decimal": "decimals",
    "options": "option_readings",
    "timezone": "timezones",
    "values": "translations",
    "associate": "associations",
    "set": "constants",
    "allow": "allowed",
    "write": "policy",
    "suppress": "suppression",
    "canary_wait": "canary_wait_seconds",
    "max_duration": "max_duration_seconds",
    "drain_timeout": "drain_timeout_seconds",
    "outage_timeout": "outage_seconds",
}


def make_settings(
    sources: tuple[str, ...],
    given: Iterable[str],
    options: Mapping[str, Any],
    base: Mapping[str, Any] | None = None,
) -> Settings:
    """Make the settings of a job. `given`: names of the sources that are rows of a program. `base`: fields of
    `Settings` that hold where no keyword says otherwise.
    """
    with keywords_named():
        made = {"token": "", **(base or {})}
        made |= _fields(_read(options, TAKES), made)
        return Settings(**{**made, "sources": sources, "given": frozenset(given)})


def connection_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `Settings` for the account and the speed."""
    return {"token": "", **_fields(_read(options, ConnectionOptions.__annotations__), {})}


def keywords_named() -> AbstractContextManager[None]:
    """Within, errors name keywords. Every function of the API begins so: SettingsError on Windows."""
    refuse_unsupported_system()
    return naming_keywords(TAKES | _OF_FUNCTIONS, CHOICES)


def _read(options: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The values as `Settings` takes them. None means that an option is not given."""
    for name in options:
        if name not in known:
            raise SettingsError(f"there is no option {name!r}{_meant(name, known)}")
    return {
        name: None if value is None else value_of(name, value)
        for name, value in options.items()
        if value is not None or name in _MAY_BE_NONE
    }


def _meant(name: str, known: Collection[str]) -> str:
    former = next((new for new, old in FIELDS.items() if old == name), _FORMER.get(name))
    if former:
        return f"; it is called {former} now"
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


#: Keywords of former versions -> what says the same now, beside those that were named as the fields.
_FORMER = {
    "sign_in": "token_file, oauth_file or oauth",
    "network": "proxy and ssl",
    "policies": "overwrite, fill and create_only",
    "only_records": "only_existing and only_new",
    "write_results": "no_results",
    "job_name": "checkpoint",
}
#: Options that a program may take back from the settings it begins with.
_MAY_BE_NONE = frozenset({"checkpoint", "checkpoint_dir", "results", "limit", "tolerate", "max_duration"})


#: Keywords that functions have beside the options.
_OF_FUNCTIONS: dict[str, Takes] = {
    **dict.fromkeys(("yes", "dry_run", "archive_touched", "spreadsheet_safe"), Takes.FLAG),
    **dict.fromkeys(("source", "sample", "examples", "rows", "output", "kind"), Takes.VALUE),
}


# --- what several keywords say together ---


def _fields(values: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Settings`. `base`: those that hold already."""
    made = {FIELDS.get(name, name): one for name, one in values.items() if name not in _TOGETHER}
    for combine in (_sign_in, _network, _policies, _only_records, _canary, _results, _translations):
        made |= combine(values, base)
    if "mapping" in values:
        path = values["mapping"]
        given = {**base, **made, "on_bad_value": made.get("on_bad_value")}
        where = (f"--mapping {path}", "--values")
        tables = values.get("values") or ValueTables()
        made |= beside_options(read_mapping(path), path.parent, given, tables, where)
    return made


_TOGETHER = frozenset(
    [
        "token",
        "token_file",
        "token_command",
        "oauth_file",
        "oauth",
        "proxy",
        "ssl",
        "overwrite",
        "fill",
        "create_only",
        "only_existing",
        "only_new",
        "canary",
        "no_canary",
        "no_results",
        "values",
        "mapping",
    ]
)


def _sign_in(values: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    """The token, and where a new one comes from."""
    given = [name for name in SIGN_IN if name in values]
    if len(given) > 1:
        raise SettingsError(f"use only one of {'= and '.join(given)}=")
    match given:
        case ["token"]:
            return {"token": values["token"], "sign_in": None}
        case ["token_file"]:
            path = values["token_file"]
            return {"token": read_token(path), "sign_in": TokenFile(str(path))}
        case ["oauth_file"]:
            return {"token": "", "sign_in": read_oauth(values["oauth_file"])}
        case [name]:
            return {"token": "", "sign_in": values[name]}
    return {}


#: Where a token comes from. `connection_fields` has none without them.
SIGN_IN = ("token", "token_file", "oauth_file", "token_command", "oauth")


def _network(values: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    if not {"proxy", "ssl"} & values.keys():
        return {}
    base_url = values.get("base_url") or base.get("base_url") or BASE_URL
    check_base_url(base_url)
    try:
        return {"network": given_network(base_url, values.get("proxy", ""), values.get("ssl"))}
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _policies(values: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    policies: dict[str, Policy] = {}
    for policy in Policy:
        for column in values.get(policy.value.replace("-", "_"), ()):
            if policies.setdefault(column, policy) is not policy:
                raise SettingsError(
                    f"column {column!r} is in two of overwrite=, fill= and create_only=; keep one"
                )
    return {"policies": {**base.get("policies", {}), **policies}} if policies else {}


def _only_records(values: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    existing, new = values.get("only_existing"), values.get("only_new")
    if existing and new:
        raise SettingsError("only_existing=True and only_new=True exclude each other")
    if existing is None and new is None:
        return {}
    return {"only_records": Only.EXISTING if existing else Only.NEW if new else Only.ALL}


def _canary(values: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    """The number of canary rows; 0 for none."""
    rows, none = values.get("canary"), values.get("no_canary", False)
    if rows is not None and (none or rows < 1):
        raise SettingsError("canary= takes a number of rows, 1 or more; for none, use no_canary=True alone")
    return {"canary": 0} if none else {} if rows is None else {"canary": rows}


def _results(values: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    return {"write_results": not values["no_results"]} if "no_results" in values else {}


def _translations(values: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    tables = values.get("values")
    return {"translations": tables.replacements, "translation_places": tables.places} if tables else {}
