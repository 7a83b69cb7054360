"""What HubSpot says about a token: account, app and scopes; and which scopes a job needs."""

from collections.abc import Mapping, Set as AbstractSet
from dataclasses import dataclass
from typing import Any, NamedTuple

from uploader.hubspot.object_types import TYPE_IDS


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """Account, app and scopes of a token; None for what it may not read."""

    portal: str = ""
    scopes: frozenset[str] | None = None
    app: str = ""  #: its id, as in property histories

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
    """The kind of a token by its prefix: private apps have `pat-` and the data centre; others are unknown."""
    if token.startswith("pat-"):
        return f"private app ({token.split('-')[1]})" if token.count("-") > 1 else "private app"
    return "OAuth, service key or another kind"


class ObjectScopes(NamedTuple):
    """The scopes for the records of an object type; "" where they are not known."""

    read: str
    write: str
    schema: str
    sensitive: str  #: to read sensitive properties

    def of_sensitive(self, level: str, verb: str) -> str:
        """The scope for properties of this level. Tickets have one for both verbs."""
        return self.sensitive.replace("sensitive", level).replace(".read.", f".{verb}.")


def object_scopes(object_type: str) -> ObjectScopes:
    """The documented scopes of an object type, given by name or id."""
    name = _NAMES.get(object_type, object_type)
    if name == "tickets":  # the only type with one scope for both
        return ObjectScopes(name, name, "crm.schemas.tickets.read", "tickets.sensitive.v2")
    if name.startswith(_CUSTOM):
        name = "custom"
    elif name not in TYPE_IDS:
        return ObjectScopes("", "", "", "")
    objects = f"crm.objects.{name}"
    return ObjectScopes(
        f"{objects}.read", f"{objects}.write", f"crm.schemas.{name}.read", f"{objects}.sensitive.read.v2"
    )


_NAMES = {type_id: name for name, type_id in TYPE_IDS.items()}
_CUSTOM = ("p_", "2-")


def scope_texts(scopes: AbstractSet[str], object_type: str) -> tuple[str, list[str]]:
    """The error if the needed scope is missing (else ""), and a text for each missing optional one."""
    needed = object_scopes(object_type)
    problem = f"the token lacks the scope {needed.write}, so it may not write; add the scope"
    optional = {
        needed.read: "late outcomes cannot be read back, and `verify` cannot compare records",
        needed.schema: "it cannot be checked that the properties exist",
    }
    return "" if needed.write in scopes | {""} else problem, [
        f"the token lacks the scope {name}: {why}"
        for name, why in optional.items()
        if name not in scopes | {"", needed.write}
    ]
