"""The identity of a job, and whether a checkpoint matches the sources, the account and the settings.

Raise `CheckpointError`, one line each, before anything is changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from uploader.errors import CheckpointError
from uploader.hubspot.account import Account
from uploader.hubspot.missing_scopes import DETAILS
from uploader.jobs.summary import CHANGED
from uploader.model.associations import LinkColumn
from uploader.model.column_names import folded, quoted
from uploader.model.redaction import without_addresses
from uploader.records.associations.link_columns import as_details, association_words, link_column, normal
from uploader.records.blank_words import as_compared
from uploader.records.columns import LIST, Columns
from uploader.records.duplicates import OnDuplicate
from uploader.records.known_headers import carries_consent
from uploader.records.values.wrappings import cell_text
from uploader.records.write_policy import Policy
from uploader.settings import Settings
from uploader.settings.safety import SafetySettings
from uploader.sources.formats.csv_header import name_columns
from uploader.sources.source import Shape, Source
from uploader.storage.checkpoint import Checkpoint, Identity, SourceIdentity

#: The rules by which rows are read. Count up when a version reads a row, or a setting, in another way: the
#: rest of a job would be written under other keys. Versions up to 0.7.1 recorded none.
READING_RULES, _FIRST_RULES = 2, 1


def identity_of(
    settings: Settings, sources: Sequence[Source], columns: Sequence[Columns | None], account: Account
) -> Identity:
    """What identifies a job in its checkpoint: sources, settings that change what is written, account."""
    return Identity(
        sources=tuple(SourceIdentity(s.name, s.fingerprint, s.shape) for s in sources),
        settings={
            **_identity_settings(settings),
            "reading_rules": READING_RULES,
            # As resolved: a label that was changed in HubSpot meanwhile would change what is written.
            "columns": [
                {str(index): name for index, name in resolved.names.items()} if resolved else None
                for resolved in columns
            ],
        },
        results=settings.results_path is not None,
        portal=account.portal,
    )


def _identity_settings(settings: Settings) -> dict[str, Any]:
    """The settings that change what is written, without the resolved columns."""
    return {
        "id_property": settings.id_property,
        "match": list(settings.match),
        "object_type": settings.object_type,
        "map": dict(sorted(settings.mapped.items())),
        "ignore": sorted(settings.ignored),
        "include_superseded": settings.include_superseded,
        "on_duplicate": settings.duplicate_rule.value,
        **recorded_values(settings),
    }


def recorded_values(settings: Settings) -> dict[str, Any]:
    """The settings that change how values are written, without defaults: a job begun by a version that lacks
    a setting can be resumed.
    """
    recorded = {
        "only": sorted(settings.only),
        "clear": sorted(settings.cleared),
        "blank_values": {
            column: sorted(as_compared(words)) for column, words in sorted(settings.blank_values.items())
        },
        "date_orders": dict(sorted(settings.date_orders.items())),
        "decimals": dict(sorted(settings.decimals.items())),
        "option_readings": dict(sorted(settings.option_readings.items())),
        "timezones": dict(sorted(settings.timezones.items())),
        "owner_map": dict(sorted(settings.owner_map.items())),
        "values": {
            column: dict(sorted(table.items())) for column, table in sorted(settings.translations.items())
        },
        "on_bad_value": "" if settings.on_bad_value == "reject" else settings.on_bad_value,
        "policy": "" if settings.policy is Policy.OVERWRITE else settings.policy.value,
        "policies": {column: policy.value for column, policy in sorted(settings.policies.items())},
        "only_records": settings.only_records.value,
        "suppress": settings.suppression.fingerprint if settings.suppression else "",
        "suppress_where": {
            column: list(values) for column, values in sorted(settings.suppress_where.items())
        },
        "opt_outs": settings.opt_outs,
        _ASSOCIATE: list(map(recorded_association, settings.associations)),
        "set": dict(sorted(settings.constants.items())),
        "allow": sorted(settings.allowed),
        "skip_unchanged": settings.skip_unchanged,
        "snapshot": settings.snapshot,
    }
    return {name: value for name, value in recorded.items() if value}


def recorded_association(one: LinkColumn) -> dict[str, Any]:
    """A link column, whose results file may be elsewhere by now."""
    return {"column": one.column, **as_details(replace(one, results=Path(one.results).name))}


def recorded_settings(known: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Settings`, from the settings recorded in an identity."""
    known = with_present_names(known)
    return {
        "match": tuple(known.get("match", [known["id_property"]])),
        "object_type": known["object_type"],
        "mapped": known["map"],
        "ignored": frozenset(known["ignore"]),
        "include_superseded": known["include_superseded"],
        "only": frozenset(known.get("only", ())),
        "cleared": frozenset(known.get("clear", ())),
        "blank_values": {column: tuple(words) for column, words in known.get("blank_values", {}).items()},
        "date_orders": known.get("date_orders", {}),
        "decimals": known.get("decimals", {}),
        "option_readings": known.get("option_readings", {}),
        "timezones": known.get("timezones", {}),
        "owner_map": known.get("owner_map", {}),
        "translations": known.get("values", {}),
        "on_bad_value": known.get("on_bad_value", "reject"),
        "suppress_where": {
            column: tuple(values) for column, values in known.get("suppress_where", {}).items()
        },
        "opt_outs": known.get("opt_outs", ""),
        "associations": tuple(link_column(one["column"], one) for one in known.get(_ASSOCIATE, ())),
        "constants": known.get("set", {}),
        "allowed": frozenset(known.get("allow", ())),
        "policy": Policy(known.get("policy", Policy.OVERWRITE)),
        "policies": {column: Policy(policy) for column, policy in known.get("policies", {}).items()},
    }


def check_sources(path: str, known: Identity, sources: Sequence[Source]) -> None:
    """CheckpointError if the sources are not those of the job, or are read in another way."""
    check_count(path, known, len(sources))
    for before, source in zip(known.sources, sources, strict=True):
        if before.fingerprint != source.fingerprint and source.shape.format == "sql" == before.shape.format:
            raise CheckpointError(
                f"{path} belongs to another database, table or query than {source.name}; give the same ones, "
                "use another --checkpoint, or start over with --restart"
            )
        if before.fingerprint != source.fingerprint:
            raise CheckpointError(
                f"{path} belongs to another file than {source.name} (size or content differs from "
                f"{before.name}); use another --checkpoint, or start over with --restart"
            )
        if _as_named_now(before.shape) != _as_named_now(source.shape):
            was, is_ = _shape(before.shape), _shape(source.shape)
            if before.shape.sheet != source.shape.sheet:
                raise CheckpointError(
                    f"{source.name} was read {was} before, and is read {is_} now; give "
                    f"--sheet {quoted(before.shape.sheet)}, or start over with --restart"
                )
            how = f"as {was} before, and is read as {is_} now" if was != is_ else "with other columns before"
            raise CheckpointError(
                f"{source.name} was read {how}; give the same options, or start over with --restart"
            )


def check_count(path: str, known: Identity, count: int) -> None:
    """CheckpointError if the job has another number of sources."""
    if len(known.sources) != count:
        raise CheckpointError(
            f"{path} belongs to a job with {len(known.sources)} sources, not {count}; give the same ones, "
            "or another --checkpoint"
        )


def _as_named_now(shape: Shape) -> Shape:
    """The shape with its columns as this version names them: older ones kept wrappings such as `="city"`."""
    return replace(shape, columns=name_columns(shape.columns))


def with_present_names(known: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded settings, with the columns that they name as this version names them."""
    settings = dict(known)
    for setting in _BY_COLUMN & known.keys():
        settings[setting] = {folded(cell_text(column)): value for column, value in known[setting].items()}
    for setting in _OF_COLUMNS & known.keys():
        settings[setting] = sorted(folded(cell_text(column)) for column in known[setting])
    return settings


_BY_COLUMN = frozenset(
    [
        *("map", "date_orders", "decimals", "option_readings", "timezones", "policies", "suppress_where"),
        *("blank_values", "values"),
    ]
)
_OF_COLUMNS = frozenset(["ignore", "only", "clear"])


def _shape(shape: Shape) -> str:
    parts = [str(shape.format)]
    parts += [f"with delimiter {shape.delimiter!r}"] if shape.delimiter else []
    parts += [f"in {shape.encoding}"] if shape.encoding else []
    parts += [f"from sheet {shape.sheet!r}"] if shape.sheet else []
    return " ".join(parts)


def check_portal(path: Path, known: Identity, portal: str) -> None:
    """CheckpointError if the token belongs to another account than the job, as far as both are known."""
    if known.portal and portal and known.portal != portal:
        raise CheckpointError(
            f"{path} belongs to account {known.portal}, this token to account {portal}; use a token of "
            f"account {known.portal}, or another --checkpoint"
        )


def account_doubt(known: Identity, portal: str) -> str:
    """Why it is not certain that the token's account is the job's, as text; "" if it is certain."""
    if not known.portal:
        read = portal or "unknown"
        return (
            "the account that the job wrote to is unknown (its token could not read it); verifying account "
            f"{read}"
        )
    if not portal:
        return (
            f"the job wrote to account {known.portal}; this token may not read whether it belongs to that "
            "account"
        )
    return ""


def check_account(
    settings: SafetySettings, checkpoint: Checkpoint, account: Account, *, may_be_sent: bool
) -> None:
    """CheckpointError if the token's account is not certainly the job's. `may_be_sent`: rows may have been
    sent already.
    """
    known, portal = checkpoint.identity(), account.portal
    check_portal(checkpoint.path, known, portal)
    if known.portal and not portal and not settings.accept_changed_settings:
        raise CheckpointError(
            f"{checkpoint.path} belongs to account {known.portal}, and this token may not read its account; "
            f"give it the scope `{account.scope(DETAILS)}`, or confirm that it is the right one with "
            "--accept-changed-settings"
        )
    if known.portal or not portal or not may_be_sent:
        return
    if not settings.portal:
        raise CheckpointError(
            f"{checkpoint.path}: rows of this job were sent with a token whose account is unknown, and this "
            f"token belongs to account {portal}; if those rows went to account {portal}, continue with "
            f"--portal {portal}; if not, use the former token, or another --checkpoint"
        )
    checkpoint.accept(replace(known, portal=portal), f"the account was unknown, is {portal} (--portal)")


def check_settings(
    settings: SafetySettings,
    checkpoint: Checkpoint,
    identity: Identity,
    in_doubt_below: int = 0,
    *,
    may_be_sent: bool = True,
) -> None:
    """CheckpointError if settings that change what is written differ, or the rules by which rows are read;
    record them if they are accepted.

    Call `check_account` first. `in_doubt_below`: open rows below this position may have been sent.
    """
    known = checkpoint.identity()
    _check_opt_outs(checkpoint, known, identity)
    changed = _differences(known.settings, identity.settings)
    older = _read_otherwise(known)
    if older and may_be_sent and not settings.accept_changed_settings:
        raise older_rules_error(checkpoint, older)
    if older or (has_older_rules(known.settings) and not may_be_sent):
        changed = ", ".join(filter(None, (changed, "rows are read by newer rules")))
    tallies = checkpoint.state().tallies
    if changed and tallies.confirmed and not settings.accept_changed_settings:
        failed = (
            f"{CHANGED}: {tallies.failed:,} failed rows are not tried again by this job"
            if tallies.failed
            else "--accept-changed-settings"
        )
        raise CheckpointError(
            f"settings that affect what is written differ from those the job was started with: {changed}; "
            f"restore those, or add {failed}"
        )
    if changed or (identity.portal and not known.portal):
        kept = identity.portal or known.portal
        checkpoint.accept(replace(identity, portal=kept), changed, in_doubt_below)


def _check_opt_outs(checkpoint: Checkpoint, known: Identity, identity: Identity) -> None:
    """CheckpointError if opt-outs are to be listed from now on: those of settled rows would be missing."""
    is_new = known.settings.get("opt_outs", "") != LIST == identity.settings.get("opt_outs", "")
    if is_new and checkpoint.state().tallies.settled:
        raise CheckpointError(
            f"{checkpoint.path}: this job began without --opt-outs {LIST}, so the list would lack the "
            "opt-outs of the rows settled so far; continue without that option, or start over with --restart"
        )


def older_rules_error(checkpoint: Checkpoint, what: str) -> CheckpointError:
    """The error for a job that can't be continued, because it is read by other rules than when it began."""
    began = next((f"version {one.version}" for one in checkpoint.invocations()), "the version")
    return CheckpointError(
        f"{checkpoint.path}: this version reads {what} in another way than {began} that began the job, so "
        "that records may be written a second time under another key, or other rows be skipped; finish the "
        "job with that version, or continue by the new rules with --accept-changed-settings"
    )


def has_older_rules(known: Mapping[str, Any]) -> bool:
    """Whether rows were read by older rules when a job had these settings."""
    return bool(known.get("reading_rules", _FIRST_RULES) < READING_RULES)


def _read_otherwise(known: Identity) -> str:
    """What of a job is read in another way now than when it began; "" if nothing is certain to be.

    A CSV file has texts only: of these, few are read in another way. `older_keys` looks at its keys.
    """
    if not has_older_rules(known.settings):
        return ""
    consents = filter(carries_consent, known.settings.get("suppress_where", ()))
    numbers = (source.name for source in known.sources if source.shape.has_numbers)
    return next(chain(numbers, (f"--suppress-where {column}" for column in consents)), "")


def changed_settings_text(settings: Settings, known: Identity) -> str:
    """How the settings differ from those that a job was finished with, as text; "" if they do not."""
    before = {name: value for name, value in known.settings.items() if name != "columns"}
    now = _identity_settings(settings)
    for name in ("date_orders", "decimals"):  # the recorded ones include what was inferred from the rows
        if merged := {**before.get(name, {}), **now.get(name, {})}:
            now[name] = merged
    return _differences(before, now)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if "match" not in before:  # a job begun before rows could be matched by several properties
        before = {**before, "match": [before.get("id_property")]}
    now, before = with_present_names(now), with_present_names(before)
    for settings in (now, before):
        settings.pop("reading_rules", None)
    return ", ".join(
        f"{name} differs"
        if name in _NOT_SHOWN
        else without_addresses(f"{name} was {_shown(name, was)}, is {_shown(name, now.get(name))}")
        for name in dict.fromkeys((*now, *before))
        if (was := before.get(name, _FORMER_DEFAULTS.get(name))) != now.get(name)
    )


def _shown(name: str, value: Any) -> str:  # noqa: ANN401  # as it is recorded
    """A setting's value as text."""
    if name != _ASSOCIATE:
        return repr(value)
    columns = [normal(link_column(one["column"], one)) for one in value or ()]
    return "; ".join(f"{one.column!r} to {association_words(one)}" for one in columns) or "none"


_ASSOCIATE = "associate"
#: Settings whose values name people, or are many.
_NOT_SHOWN = frozenset({"owner_map", "values"})
#: The values of settings that older versions did not record.
_FORMER_DEFAULTS = {"on_duplicate": OnDuplicate.IN_ORDER.value}
