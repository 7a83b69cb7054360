"""What makes a job this job, and whether a checkpoint belongs to these sources, this account, these settings.

Raise `CheckpointError`, one line each, before anything is changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from uploader.errors import CheckpointError
from uploader.hubspot.account import Account
from uploader.records.columns import (
    Columns,
)
from uploader.records.duplicates import OnDuplicate
from uploader.records.write_policy import Policy
from uploader.settings import Settings
from uploader.settings.safety import SafetySettings
from uploader.sources.source import Shape, Source
from uploader.storage.checkpoint import Checkpoint, Identity, SourceIdentity


def identity_of(
    settings: Settings, sources: Sequence[Source], columns: Sequence[Columns | None], account: Account
) -> Identity:
    return Identity(
        sources=tuple(SourceIdentity(s.name, s.fingerprint, s.shape) for s in sources),
        settings={
            **_said(settings),
            # As resolved: a label that was changed in HubSpot meanwhile would change what is written.
            "columns": [
                {str(index): name for index, name in resolved.names.items()} if resolved else None
                for resolved in columns
            ],
        },
        results=settings.results_path is not None,
        portal=account.portal,
    )


def _said(settings: Settings) -> dict[str, Any]:
    return {
        "id_property": settings.id_property,
        "match": list(settings.match),
        "object_type": settings.object_type,
        "map": dict(sorted(settings.mapped.items())),
        "ignore": sorted(settings.ignored),
        "include_superseded": settings.include_superseded,
        "on_duplicate": settings.on_duplicate.value,
        **recorded_values(settings),
    }


def recorded_values(settings: Settings) -> dict[str, Any]:
    """What changes how values are written. Only what was said: a job that was begun before this could be
    said goes on.
    """
    said = {
        "only": sorted(settings.only),
        "clear": sorted(settings.cleared),
        "date_orders": dict(sorted(settings.date_orders.items())),
        "decimals": dict(sorted(settings.decimals.items())),
        "timezones": dict(sorted(settings.timezones.items())),
        "owner_map": dict(sorted(settings.owner_map.items())),
        "on_bad_value": "" if settings.on_bad_value == "reject" else settings.on_bad_value,
        "policy": "" if settings.policy is Policy.OVERWRITE else settings.policy.value,
        "policies": {column: policy.value for column, policy in sorted(settings.policies.items())},
        "only_records": settings.only_records.value,
        "suppress": settings.suppression.fingerprint if settings.suppression else "",
        "suppress_where": {
            column: list(values) for column, values in sorted(settings.suppress_where.items())
        },
        "set": dict(sorted(settings.constants.items())),
        "allow": sorted(settings.allowed),
        "skip_unchanged": settings.skip_unchanged,
        "snapshot": settings.snapshot,
    }
    return {name: value for name, value in said.items() if value}


def recorded_settings(known: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Settings` from those that an identity has recorded."""
    return {
        "match": tuple(known.get("match", [known["id_property"]])),
        "object_type": known["object_type"],
        "mapped": known["map"],
        "ignored": frozenset(known["ignore"]),
        "include_superseded": known["include_superseded"],
        "only": frozenset(known.get("only", ())),
        "cleared": frozenset(known.get("clear", ())),
        "date_orders": known.get("date_orders", {}),
        "decimals": known.get("decimals", {}),
        "timezones": known.get("timezones", {}),
        "owner_map": known.get("owner_map", {}),
        "on_bad_value": known.get("on_bad_value", "reject"),
        "suppress_where": {
            column: tuple(values) for column, values in known.get("suppress_where", {}).items()
        },
        "constants": known.get("set", {}),
        "allowed": frozenset(known.get("allow", ())),
        "policy": Policy(known.get("policy", Policy.OVERWRITE)),
        "policies": {column: Policy(policy) for column, policy in known.get("policies", {}).items()},
    }


def check_sources(path: str, known: Identity, sources: Sequence[Source]) -> None:
    check_count(path, known, len(sources))
    for before, source in zip(known.sources, sources, strict=True):
        if before.fingerprint != source.fingerprint:
            raise CheckpointError(
                f"{path} belongs to another file than {source.name} (its size or content differs from "
                f"{before.name}'s); name another --checkpoint, or start over with --restart"
            )
        if before.shape != source.shape:
            was, is_ = _shape(before.shape), _shape(source.shape)
            how = f"as {was} before, and as {is_} now" if was != is_ else "with other columns before"
            raise CheckpointError(
                f"{source.name} was read {how}; give the same options, or start over with --restart"
            )


def check_count(path: str, known: Identity, count: int) -> None:
    if len(known.sources) != count:
        raise CheckpointError(
            f"{path} belongs to a job of {len(known.sources)} sources, these are {count}; "
            "name the same ones, or another --checkpoint"
        )


def _shape(shape: Shape) -> str:
    parts = [str(shape.format)]
    parts += [f"with delimiter {shape.delimiter!r}"] if shape.delimiter else []
    parts += [f"in {shape.encoding}"] if shape.encoding else []
    parts += [f"from sheet {shape.sheet!r}"] if shape.sheet else []
    return " ".join(parts)


def check_portal(path: Path, known: Identity, portal: str) -> None:
    if known.portal and portal and known.portal != portal:
        raise CheckpointError(
            f"{path} belongs to account {known.portal}, this token to account {portal}; "
            "use the token of that account, or another --checkpoint"
        )


def account_doubt(known: Identity, portal: str) -> str:
    """Why it is not certain that this token's account is the job's, for people; "" where it is."""
    if not known.portal:
        read = portal or "unknown"
        return f"the job's token could not say which account it wrote into; read is account {read}"
    if not portal:
        return (
            f"the job wrote into account {known.portal}, and this token may not say whether it is of that one"
        )
    return ""


def check_account(
    settings: SafetySettings, checkpoint: Checkpoint, portal: str, *, may_be_sent: bool
) -> None:
    """Whether the account of this token is the job's. `may_be_sent`: rows of it may be in an account."""
    known = checkpoint.identity()
    check_portal(checkpoint.path, known, portal)
    if known.portal and not portal and not settings.accept_changed_settings:
        raise CheckpointError(
            f"{checkpoint.path} belongs to account {known.portal}, and this token may not say whose it is; "
            "give it the scope `oauth`, or vouch for it with --accept-changed-settings"
        )
    if known.portal or not portal or not may_be_sent:
        return
    if not settings.portal:
        raise CheckpointError(
            f"{checkpoint.path}: rows of this job were sent by a token that could not say whose account it "
            f"is, and this token is of account {portal}; if those rows went into account {portal}, go on "
            f"with --portal {portal}; if not, use the token that they were sent by, or another --checkpoint"
        )
    checkpoint.accept(replace(known, portal=portal), f"the account was unknown, is {portal} (--portal)")


def check_settings(
    settings: SafetySettings, checkpoint: Checkpoint, identity: Identity, lost_below: int = 0
) -> None:
    """Once `check_account` has found nothing amiss. `lost_below`: open rows before it may have been sent."""
    known = checkpoint.identity()
    changed = _differences(known.settings, identity.settings)
    if changed and checkpoint.state().tallies.confirmed and not settings.accept_changed_settings:
        raise CheckpointError(
            f"settings that change what is written differ from those the job was begun with: {changed}; "
            "go back to those, or say --accept-changed-settings"
        )
    if changed or (identity.portal and not known.portal):
        kept = identity.portal or known.portal
        checkpoint.accept(replace(identity, portal=kept), changed, lost_below)


def changed_settings_text(settings: Settings, known: Identity) -> str:
    """What is said now and a finished job was not told, in words; "" if it is the same."""
    before = {name: value for name, value in known.settings.items() if name != "columns"}
    now = _said(settings)
    for name in ("date_orders", "decimals"):  # what the rows told stands among what was said
        if merged := {**before.get(name, {}), **now.get(name, {})}:
            now[name] = merged
    return _differences(before, now)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if "match" not in before:  # a job begun before rows could be matched by several properties
        before = {**before, "match": [before.get("id_property")]}
    return ", ".join(
        f"{name} differs" if name in _UNTOLD else f"{name} was {was!r}, is {now.get(name)!r}"
        for name in dict.fromkeys((*now, *before))
        if (was := before.get(name, _UNSAID.get(name))) != now.get(name)
    )


#: Settings whose values hold addresses.
_UNTOLD = frozenset({"owner_map"})
#: What settings were that older versions did not have.
_UNSAID = {"on_duplicate": OnDuplicate.IN_ORDER.value}
