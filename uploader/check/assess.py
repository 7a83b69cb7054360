"""What `check` makes of an account and a file: what keeps `upload` from starting, what deserves attention.

In    answers about the token and the account, whatever they hold; a header, the rules, the schema.
Out   values; texts that say what to do.
Raise nothing.
"""

from collections.abc import Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

from uploader.hubspot.schema import Schema
from uploader.records.columns import (
    COSTLY,
    OWN_PREFIX,
    Columns,
    MappingError,
    Rules,
    resolve_columns,
    resolve_name,
    unmapped_text,
)
from uploader.records.known_headers import bare


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What the account says of a token; None where it may not be asked."""

    portal: str = ""
    scopes: frozenset[str] | None = None
    app: str = ""  #: its id, which stands in histories

    @classmethod
    def decode(cls, body: Mapping[str, Any] | None) -> "TokenInfo":
        body = body or {}
        scopes = body.get("scopes")
        return cls(
            str(body.get("hubId") or body.get("hub_id") or ""),
            frozenset(map(str, scopes)) if isinstance(scopes, list) else None,
            str(body.get("appId") or body.get("app_id") or ""),
        )


def token_kind(token: str) -> str:
    """By its form: HubSpot documents `pat-` with the data centre for private apps, and nothing for others."""
    if token.startswith("pat-"):
        return f"private app ({token.split('-')[1]})" if token.count("-") > 1 else "private app"
    return "OAuth, service key or another kind"


@dataclass(frozen=True, slots=True)
class Room:
    """How many records of the type the account holds, and may hold."""

    used: int
    limit: int

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


#: https://developers.hubspot.com/docs/guides/api/crm/understanding-the-crm
_TYPE_IDS = {"contacts": "0-1", "companies": "0-2", "deals": "0-3", "tickets": "0-5"}


def decode_room(body: Mapping[str, Any] | None, object_type: str) -> Room | None:
    """From the answer of limits/records; of a custom type, what is left to all of them together."""
    body = body or {}
    wanted = {object_type.lower(), _TYPE_IDS.get(object_type.lower(), "")} - {""}
    listed = body.get("hubspotDefinedObjectTypes")
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and _names(entry) & wanted:
            return _room(entry.get("usage"), entry.get("limit"))
    custom = body.get("customObjectTypes")
    if isinstance(custom, dict) and isinstance(custom.get("byObjectType"), list):
        for entry in custom["byObjectType"]:
            if isinstance(entry, dict) and _names(entry) & wanted:
                return _room(custom.get("overallUsage"), custom.get("overallLimit"))
    return None


def _names(entry: Mapping[str, Any]) -> set[str]:
    return {str(entry.get(name) or "").lower() for name in ("objectTypeId", "singularLabel", "pluralLabel")}


def _room(used: object, limit: object) -> Room | None:
    are_counts = type(used) is int and type(limit) is int
    return Room(used, limit) if are_counts else None  # type: ignore[arg-type]


def needed_scopes(object_type: str) -> tuple[str, Mapping[str, str]]:
    """The scope without which nothing can be written; and others, with what is lacking without each."""
    write = f"crm.objects.{object_type}.write" if object_type in _TYPE_IDS else "crm.objects.custom.write"
    objects, schemas = write.removesuffix(".write"), write.replace(".objects.", ".schemas.")
    return write, {
        f"{objects}.read": "what is accepted late can't be read back, and `verify` can't compare",
        f"{schemas.removesuffix('.write')}.read": "nobody can say whether the columns' properties exist",
    }


def scope_texts(scopes: AbstractSet[str], object_type: str) -> tuple[str, list[str]]:
    """What is wrong without the first ("": it is there), and what is missed without the others."""
    write, others = needed_scopes(object_type)
    problem = "" if write in scopes else f"the token lacks the scope {write}: it may write nothing; add it"
    return problem, [
        f"the token lacks the scope {name}: {why}" for name, why in others.items() if name not in scopes
    ]


# --- what nobody is told of ---

#: What no request shows, and happens all the same once contacts are written; the README says what to do.
UNSEEN = (
    "workflows that contacts enter as they are created or changed, and what they send",
    "whether this app's contacts become marketing contacts, which are paid for (a setting of each app)",
    "notices to the owners that records are given to",
)


# --- columns ---


@dataclass(slots=True)
class Resolved:
    """The columns of one source as far as they can be mapped, and what keeps the others from it."""

    columns: Columns | None  #: None where no column is the id property
    problems: list[str] = field(default_factory=list)
    names: Mapping[int, str] = field(default_factory=dict)  #: cell index -> property, as far as is known


def resolve_leniently(header: Sequence[str], rules: Rules, schema: Schema | None) -> Resolved:
    """As `resolve_columns`, which `upload` goes by; but going on after each problem, without its columns."""
    resolved = Resolved(None)
    while True:
        try:
            resolved.columns = resolve_columns(header, rules, schema)
        except MappingError as error:
            resolved.problems += error.texts
        else:
            resolved.names = resolved.columns.names
            return resolved
        culprits = _culprits(header, rules, schema)
        if not culprits:
            _resolve_without_key(resolved, header, rules, schema)
            return resolved
        rules = replace(rules, ignored=rules.ignored | culprits)


def _resolve_without_key(
    resolved: Resolved, header: Sequence[str], rules: Rules, schema: Schema | None
) -> None:
    """What the columns are beside the key that is not there, and which of them are none."""
    names = {
        index: resolve_name(column, rules, schema)
        for index, column in enumerate(header)
        if not _is_passed_over(index, column, rules)
    }
    resolved.names = {index: name for index, name in names.items() if name}
    unmapped = [header[i] for i, name in names.items() if not name and header[i] not in rules.suppress_where]
    if unmapped:
        resolved.problems.append(unmapped_text(unmapped, schema))


def _culprits(header: Sequence[str], rules: Rules, schema: Schema | None) -> frozenset[str]:
    """The columns that the first problem is about; none where leaving them out would mend nothing."""
    undecided = frozenset(column for column in header if rules.is_undecided(column))
    if undecided:
        return undecided
    names: dict[str, str] = {}
    for index, column in enumerate(header):
        if _is_passed_over(index, column, rules):
            continue
        try:
            names[column] = resolve_name(column, rules, schema)
        except MappingError:
            return frozenset({column})
    if rules.id_property not in names.values():
        return frozenset()
    unmapped = frozenset(column for column, name in names.items() if not name)
    return unmapped - rules.suppress_where.keys() or _misnamed(names, rules, schema)


def _is_passed_over(index: int, column: str, rules: Rules) -> bool:
    is_ours = column.startswith(OWN_PREFIX) or column == f"column {index + 1}"
    return is_ours or column in rules.ignored or rules.only_suppresses(column)


def _misnamed(names: Mapping[str, str], rules: Rules, schema: Schema | None) -> frozenset[str]:
    """The first column whose property can't be written, or is another's already."""
    taken = set(rules.constants)
    for column, name in names.items():
        if name and (name in taken or (name.startswith(COSTLY) and name not in rules.allowed)):
            return frozenset({column})
        taken.add(name)
    read_only = schema.read_only if schema else frozenset[str]()
    culprit = next((column for column, name in names.items() if name in read_only), None)
    return frozenset({culprit}) if culprit and names[culprit] != rules.id_property else frozenset()


def likely_key(header: Sequence[str], rules: Rules) -> str:
    """A column that is the id property but for case, blanks and signs; "" if there is none, or several."""
    wanted = bare(rules.id_property)
    likely = [column for column in header if bare(column) == wanted and column not in rules.ignored]
    return likely[0] if len(likely) == 1 else ""
