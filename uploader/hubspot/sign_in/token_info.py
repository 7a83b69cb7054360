"""What HubSpot tells of a token: its account, its app and its scopes, and which scopes a job needs."""

from collections.abc import Mapping, Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from uploader.hubspot.object_types import TYPE_IDS


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


def needed_scopes(object_type: str) -> tuple[str, Mapping[str, str]]:
    """The scope without which nothing can be written; and others, with what is lacking without each."""
    write = f"crm.objects.{object_type}.write" if object_type in TYPE_IDS else "crm.objects.custom.write"
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
