"""Opening a job: its sources, its lock, its checkpoint and results file, and whether they belong together.

Raise `SourceError` or `CheckpointError`, one line each, before anything is changed.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uploader.core.assessing import resolve_leniently
from uploader.core.canary import Canary
from uploader.core.columns import (
    Columns,
    MappingError,
    Rules,
    refuse_undecided,
    refuse_unknown,
    resolve_columns,
    resolve_name,
)
from uploader.core.mapping import Mapper, fields_of
from uploader.core.names import STDIN, is_url
from uploader.core.overwriting import Overwriting, Policy
from uploader.core.repeats import OnDuplicate
from uploader.core.schema import Schema
from uploader.edges import repeats, sightings, snapshot
from uploader.edges.checkpoint import Checkpoint, Identity, SourceIdentity
from uploader.edges.files import Lock
from uploader.edges.results import HEADER, ResultsFile
from uploader.edges.sightings import Sightings
from uploader.edges.snapshot import SnapshotFile
from uploader.edges.sources import open_source
from uploader.edges.sources.base import Shape, Source
from uploader.edges.sources.globs import expand, is_open_pattern, keep_order
from uploader.edges.sources.recognise import FORMATS
from uploader.errors import CheckpointError, SettingsError
from uploader.run.preflight import Account
from uploader.settings import Settings


@dataclass(slots=True)
class Job:
    """What a run works with. `close` gives it all back."""

    settings: Settings
    sources: list[Source]
    mappers: list[Mapper]
    checkpoint: Checkpoint
    results: ResultsFile | None
    sightings: Sightings
    account: Account
    columns: frozenset[str]  #: properties that every row carries
    identity: Identity
    overwriting: Overwriting
    snapshot: SnapshotFile | None

    @property
    def looks_first(self) -> bool:
        """Whether contacts are read before they are written."""
        return self.settings.looks_first


def open_sources(settings: Settings) -> list[Source]:
    """In the order in which they are read; of a pattern's files, those that the job was begun with."""
    return [
        open_source(
            path,
            format=settings.format,
            delimiter=settings.delimiter,
            encoding=settings.encoding,
            sheet=settings.sheet,
        )
        for path in find_names(settings)
    ]


def open_again(settings: Settings, known: Identity) -> list[Source]:
    """A job's own sources, wherever they are now, each read as it was when the job began."""
    names = find_names(settings)
    _check_count(settings.checkpoint_path.name, known, len(names))
    return [
        open_source(
            name,
            format=next((kind for kind in FORMATS if kind == before.shape.format), None),
            delimiter=before.shape.delimiter or None,
            encoding=before.shape.encoding or None,
            sheet=before.shape.sheet or None,
        )
        for name, before in zip(names, known.sources, strict=True)
    ]


def find_names(settings: Settings) -> Sequence[str]:
    """The sources' own names: patterns are files now, as the checkpoint lists them if there is one."""
    if not any(map(is_open_pattern, settings.sources)):
        return settings.sources
    found = expand(settings.sources, _written(settings), is_resumed=settings.checkpoint_path.exists())
    if settings.restart or not settings.checkpoint_path.exists():
        return found
    checkpoint = Checkpoint.open(settings.checkpoint_path, read_only=True)
    try:
        before = [source.name for source in checkpoint.identity().sources]
    finally:
        checkpoint.close()
    return keep_order(settings.sources, found, before) or found


def find_new(settings: Settings, sources: Sequence[Source]) -> list[str]:
    """Files that match a pattern now and belong to no source of the job."""
    if not any(map(is_open_pattern, settings.sources)):
        return []
    named = {source.name for source in sources}
    return [
        name for name in expand(settings.sources, _written(settings), is_resumed=True) if name not in named
    ]


def _written(settings: Settings) -> list[str]:
    return [str(path) for path in (settings.checkpoint_path, settings.results_path) if path]


def lock_job(settings: Settings, stack: ExitStack) -> Lock:
    """From here on this process alone works on the checkpoint."""
    lock = Lock(settings.checkpoint_path)
    lock.acquire()
    stack.callback(lock.release)
    return lock


def find_checkpoint(settings: Settings, sources: Sequence[Source], stack: ExitStack) -> Checkpoint | None:
    """The job's checkpoint, if it was begun before; checked against the sources, not yet the settings."""
    path, results = settings.checkpoint_path, settings.results_path
    _refuse_sources(settings)
    if settings.restart:
        _refuse_foreign(path, results)
        return None
    if not path.exists():
        if results and results.exists():
            raise CheckpointError(
                f"there is a results file {results} but no checkpoint {path}: "
                "put the checkpoint back, move the results away, or start over with --restart"
            )
        return None
    checkpoint = Checkpoint.open(path)
    stack.callback(checkpoint.close)
    known = checkpoint.identity()
    check_sources(path.name, known, sources)
    if known.results != (results is not None):
        has = "with" if known.results else "without"
        raise CheckpointError(
            f"{path} was begun {has} a results file; go on so, or start over with --restart"
        )
    return checkpoint


def open_job(  # noqa: PLR0917
    settings: Settings,
    sources: list[Source],
    checkpoint: Checkpoint | None,
    account: Account,
    stack: ExitStack,
    canary: Canary | None = None,
) -> Job:
    """Everything a run works with; a new job's checkpoint is created here, with the canary it shall have."""
    mappers = resolve_mappers(settings, sources, account)
    columns = [mapper.columns for mapper in mappers]
    overwriting = overwriting_rules(settings, sources, account)
    identity = _identity(settings, sources, columns, account)
    if checkpoint is None:
        if settings.restart:
            _forget(settings)
        sightings.remove(sightings.place(settings.checkpoint_path))
        repeats.remove(repeats.place(settings.checkpoint_path))
        checkpoint = Checkpoint.create(settings.checkpoint_path, identity, canary)
        stack.callback(checkpoint.close)
    else:
        _check_settings(settings, checkpoint, identity)
    results = None
    if settings.results_path:
        names = [source.name for source in sources]
        results = ResultsFile(
            settings.results_path, checkpoint.state().results_bytes, names, settings.id_property
        )
        stack.callback(results.close)
    seen = Sightings(settings.checkpoint_path)
    stack.callback(seen.close)
    carried = [frozenset(resolved.names.values()) if resolved else frozenset[str]() for resolved in columns]
    columns_of_all = frozenset.union(*carried) | settings.constants.keys()
    return Job(
        settings,
        sources,
        mappers,
        checkpoint,
        results,
        seen,
        account,
        columns_of_all,
        identity,
        overwriting,
        _open_snapshot(settings, checkpoint, stack),
    )


def resolve_mappers(settings: Settings, sources: Sequence[Source], account: Account) -> list[Mapper]:
    """SettingsError where a column can't be mapped."""
    rules = settings.rules
    try:
        if all(source.shape.columns for source in sources):
            refuse_unknown(rules, [column for source in sources for column in source.shape.columns])
        columns = [_columns(source, settings, account) for source in sources]
        refuse_absent_keys(settings, columns)
        refuse_undecided_fields(sources, rules)
        return [
            Mapper(index, rules_of(rules, source), account.schema, resolved)
            for index, (source, resolved) in enumerate(zip(sources, columns, strict=True))
        ]
    except MappingError as error:
        raise SettingsError(str(error)) from error


def rules_of(rules: Rules, source: Source) -> Rules:
    """The user's rules, with what a source's format adds to them."""
    return replace(rules, has_numbers=source.shape.has_numbers)


def refuse_undecided_fields(sources: Sequence[Source], rules: Rules) -> None:
    """Of rows that name their own fields, the first ones tell for a header. MappingError, as of columns."""
    for source in sources:
        if source.shape.columns or not rules.has_addresses:
            continue
        names = dict.fromkeys(name for row in source.first_rows() for name in fields_of(row.content))
        refuse_undecided([name for name in names if rules.is_undecided(name)])


def _open_snapshot(settings: Settings, checkpoint: Checkpoint, stack: ExitStack) -> SnapshotFile | None:
    if not settings.snapshot:
        return None
    about = {
        "job": checkpoint.job_id(),
        "portal": checkpoint.identity().portal,
        "object_type": settings.object_type,
    }
    file = SnapshotFile(settings.checkpoint_path, about)
    stack.callback(file.close)
    return file


def overwriting_rules(settings: Settings, sources: Sequence[Source], account: Account) -> Overwriting:
    """The user's rules, by property. SettingsError where one is of no column."""
    known = {column for source in sources for column in source.shape.columns}
    # A mark is to be on every record, whatever may happen to the values of rows.
    by_property = dict.fromkeys(settings.constants, Policy.OVERWRITE)
    for column, policy in settings.policies.items():
        try:
            name = resolve_name(column, settings.rules, account.schema)
        except MappingError as error:
            raise SettingsError(str(error)) from error
        if not name or (known and column not in known):
            raise SettingsError(f"there is no column {column!r} to be written as {policy}")
        by_property[name] = policy
    return Overwriting(settings.policy, by_property, settings.only_records, settings.skip_unchanged)


def _refuse_sources(settings: Settings) -> None:
    """A source reached by another name, such as a link, is a source all the same."""
    written = [path for path in (settings.checkpoint_path, settings.results_path) if path and path.exists()]
    for source in settings.sources:
        for path in written:
            is_file = source != STDIN and not is_url(source) and not is_open_pattern(source)
            if is_file and path.samefile(source):
                raise CheckpointError(f"{path} is the source {source}; name another place")


def _refuse_foreign(checkpoint: Path, results: Path | None) -> None:
    """What --restart removes has to be ours, by its name or by what it holds."""
    if checkpoint.exists() and checkpoint.suffix != ".checkpoint" and not Checkpoint.is_one(checkpoint):
        raise CheckpointError(
            f"{checkpoint} is no checkpoint of uploader; remove it yourself, if it is to go"
        )
    if results and results.exists() and not results.name.endswith(".results.csv"):
        with results.open("rb") as file:
            if not file.readline(200).startswith(",".join(HEADER).encode()):
                raise CheckpointError(f"{results} is no results file of uploader; remove it yourself")


def _forget(settings: Settings) -> None:
    try:
        Checkpoint.remove(settings.checkpoint_path)
        snapshot.put_aside(snapshot.place(settings.checkpoint_path))
        if settings.results_path:
            settings.results_path.unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(f"can't remove {error.filename}: {error.strerror}") from error


def refuse_absent_keys(settings: Settings, columns: Sequence[Columns | None]) -> None:
    """Every source has one of the keys; each key has to be in some source, or its name is a mistake."""
    named = [set(resolved.names.values()) for resolved in columns if resolved]
    for name in settings.match:
        if len(named) == len(columns) and not any(name in names for names in named):
            raise MappingError(
                f"--match: no column is {name!r}; say which with --map, or leave it out of --match"
            )


def may_hold_owners(settings: Settings, sources: Sequence[Source], schema: Schema | None) -> bool:
    """Whether some value may be an owner. Rows that name their own fields may name one anywhere, and a stream
    can't be looked at twice.
    """
    if schema is None or not schema.owned:
        return False
    if not schema.owned.isdisjoint(settings.constants):
        return True
    for source in sources:
        if not source.shape.columns:
            return True
        # What is wrong with other columns is said by whoever maps them.
        resolved = resolve_leniently(source.shape.columns, settings.rules, schema).columns
        if resolved and not schema.owned.isdisjoint(resolved.names.values()):
            return True
    return False


def _columns(source: Source, settings: Settings, account: Account) -> Columns | None:
    if not source.shape.columns:
        return None
    return resolve_columns(source.shape.columns, settings.rules, account.schema)


def _identity(
    settings: Settings, sources: Sequence[Source], columns: Sequence[Columns | None], account: Account
) -> Identity:
    return Identity(
        sources=tuple(SourceIdentity(s.name, s.fingerprint, s.shape) for s in sources),
        settings={
            "id_property": settings.id_property,
            "match": list(settings.match),
            "object_type": settings.object_type,
            "map": dict(sorted(settings.mapped.items())),
            "ignore": sorted(settings.ignored),
            "include_superseded": settings.include_superseded,
            "on_duplicate": settings.on_duplicate.value,
            **recorded_values(settings),
            # As resolved: a label that was changed in HubSpot meanwhile would change what is written.
            "columns": [
                {str(index): name for index, name in resolved.names.items()} if resolved else None
                for resolved in columns
            ],
        },
        results=settings.results_path is not None,
        portal=account.portal,
    )


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


def value_settings(known: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Settings` from what `recorded_values` has recorded."""
    return {
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
    _check_count(path, known, len(sources))
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


def _check_count(path: str, known: Identity, count: int) -> None:
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


def _check_settings(settings: Settings, checkpoint: Checkpoint, identity: Identity) -> None:
    known = checkpoint.identity()
    check_portal(checkpoint.path, known, identity.portal)
    if known.portal and not identity.portal and not settings.accept_changed_settings:
        raise CheckpointError(
            f"{checkpoint.path} belongs to account {known.portal}, and this token may not say whose it is; "
            "give it the scope `oauth`, or vouch for it with --accept-changed-settings"
        )
    changed = _differences(known.settings, identity.settings)
    if changed and checkpoint.state().tallies.confirmed and not settings.accept_changed_settings:
        raise CheckpointError(
            f"settings that change what is written differ from those the job was begun with: {changed}; "
            "go back to those, or say --accept-changed-settings"
        )
    if changed or (identity.portal and not known.portal):
        kept = identity.portal or known.portal
        checkpoint.accept(replace(identity, portal=kept), changed)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if "match" not in before:  # a job begun before rows could be matched by several properties
        before = {**before, "match": [before.get("id_property")]}
    return ", ".join(
        f"{name} was {was!r}, is {now.get(name)!r}"
        for name in dict.fromkeys((*now, *before))
        if (was := before.get(name, _UNSAID.get(name))) != now.get(name)
    )


#: What settings were that older versions did not have.
_UNSAID = {"on_duplicate": OnDuplicate.IN_ORDER.value}
