"""What HubSpot says about a token: account, app and scopes; and which scopes a job needs."""

from collections.abc import Mapping, Set as AbstractSet
from dataclasses import dataclass
from typing import Any

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


def needed_scopes(object_type: str) -> tuple[str, Mapping[str, str]]:
    """The scope that writing needs, and optional scopes, each with what is missing without it."""
    write = f"crm.objects.{object_type}.write" if object_type in TYPE_IDS else "crm.objects.custom.write"
    objects, schemas = write.removesuffix(".write"), write.replace(".objects.", ".schemas.")
    return write, {
        f"{objects}.read": "late outcomes cannot be read back, and `verify` cannot compare records",
        f"{schemas.removesuffix('.write')}.read": "it cannot be checked that the properties exist",
    }


def scope_texts(scopes: AbstractSet[str], object_type: str) -> tuple[str, list[str]]:
    """The error if the needed scope is missing (else ""), and a text for each missing optional one."""
    write, others = needed_scopes(object_type)
    problem = (
        "" if write in scopes else f"the token lacks the scope {write}, so it may not write; add the scope"
    )
    return problem, [
        f"the token lacks the scope {name}: {why}" for name, why in others.items() if name not in scopes
    ]
