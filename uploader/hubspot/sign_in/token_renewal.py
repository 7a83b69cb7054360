"""Signing in: by which token requests are made, when it is renewed, what a renewal means. Decisions only.

HubSpot's OAuth access tokens live for half an hour; a refresh token buys the next one, and may be replaced by
it (hubspot-api.md 7.6). Secrets show in no repr.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from uploader.hubspot.sign_in.token_info import TokenInfo
from uploader.hubspot.wire import Reply

_WORD = re.compile(r"[A-Za-z_]{1,40}")
#: Of a token's life: it is renewed when so much of it is over. HubSpot's own quick start does the same.
_RENEWED_AFTER = 0.75
#: Less of a life than that is left: nothing may leave by it, since it has to arrive, too.
_LAST_SECONDS = 2.0
#: A token that is over as soon as it is there is none.
_SHORTEST_SECONDS = 5.0
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A file that holds a token and nothing else, and may come to hold another one."""

    path: str


@dataclass(frozen=True, slots=True)
class OAuth:
    """An app's right to ask for access tokens."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    file: str = ""  #: where all this is kept; "": it came from the environment, and can't be kept


@dataclass(frozen=True, slots=True)
class Grant:
    """What a refresh token has bought."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)  #: "": the one before goes on
    lives_seconds: float
    info: TokenInfo


class Renewal(Enum):
    """What an answer of the token endpoint means."""

    GRANTED = "granted"
    REFUSED = "refused"  #: for good
    FAILED = "failed"  #: nobody has said no: ask again


def judge(reply: Reply) -> tuple[Renewal, Grant | None, str]:
    """With the grant, or the reason in a line without any secret."""
    body = reply.body or {}
    if reply.ok and (grant := _grant(body)) is not None:
        if grant.lives_seconds < _SHORTEST_SECONDS:
            return Renewal.FAILED, None, f"an access token that lives for {grant.lives_seconds:g} s only"
        return Renewal.GRANTED, grant, ""
    if reply.status == 0:
        return Renewal.FAILED, None, reply.message
    error = str(body.get("error") or body.get("status") or "")
    named = (
        error if error.replace("_", "").isalnum() and len(error) < 60 else ""
    )  # never a value it may repeat
    reason = " ".join(part for part in (f"HTTP {reply.status}", named) if part)
    is_final = 400 <= reply.status < 500 and reply.status not in {408, 423, 429, 477}
    return Renewal.REFUSED if is_final else Renewal.FAILED, None, reason


def _grant(body: Mapping[str, Any]) -> Grant | None:
    token, seconds = body.get("access_token"), body.get("expires_in")
    if not isinstance(token, str) or not is_sendable(token) or not isinstance(seconds, int | float):
        return None
    renewed = body.get("refresh_token")
    scopes = body.get("scopes")
    return Grant(
        token,
        renewed if isinstance(renewed, str) else "",
        float(seconds),
        TokenInfo(
            str(body.get("hub_id") or ""),
            frozenset(map(str, scopes)) if isinstance(scopes, list) else None,
        ),
    )


def is_sendable(token: str) -> bool:
    """It fits into a header."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


def refresh_form(client: OAuth) -> dict[str, str]:
    return {
        "grant_type": "refresh_token",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "refresh_token": client.refresh_token,
    }


def introspection_form(client: OAuth, token: str) -> dict[str, str]:
    """The guide and the specification differ on the field's name; the SDK says `token`."""
    return {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "token": token,
        "token_type_hint": "access_token",
    }


@dataclass(slots=True)
class Life:
    """When a token is to be renewed, and when it can't be used any more, by one clock in seconds."""

    due_at: float = float("-inf")
    ends_at: float = float("-inf")
    failures: int = 0

    @classmethod
    def of(cls, lives_seconds: float, asked_at: float) -> "Life":
        """`asked_at`: before the request left; the answer may have taken its time."""
        return cls(asked_at + lives_seconds * _RENEWED_AFTER, asked_at + lives_seconds - _LAST_SECONDS)

    def failed(self, now: float) -> None:
        """The renewal is asked for again, later and later; the old token serves for as long as it lives."""
        pause = min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0**self.failures)
        self.failures += 1
        self.due_at = now + pause

    def expire(self) -> None:
        """It was refused."""
        self.due_at = self.ends_at = float("-inf")

    def is_due(self, now: float) -> bool:
        return now >= self.due_at

    def wait_seconds(self, now: float) -> float:
        """How long nothing may leave: the token is over, and its renewal has just failed."""
        return max(0.0, self.due_at - now) if now >= self.ends_at else 0.0
