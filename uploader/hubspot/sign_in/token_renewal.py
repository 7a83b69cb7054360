"""Decides when a token is renewed, and what the reply to a renewal means. Pure.

HubSpot's OAuth access tokens are valid for half an hour. A refresh token gets the next one, and the reply may
replace the refresh token as well. No repr shows a secret.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from uploader.errors import SettingsError
from uploader.hubspot.replies import Reply
from uploader.hubspot.sign_in.token_info import TokenInfo

_WORD = re.compile(r"[A-Za-z_]{1,40}")
#: A token is renewed after this share of its lifetime, as in HubSpot's quick start.
_RENEWED_AFTER = 0.75
#: With less time left nothing is sent: a request also has to arrive.
_LAST_SECONDS = 2.0
#: A token with a shorter lifetime is useless.
_SHORTEST_SECONDS = 5.0
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A file with only a token, which another program may replace."""

    path: str


@dataclass(frozen=True, slots=True)
class TokenCommand:
    """A program that prints the token, as `op read op://crm/hubspot/token`. It is run without a shell.

    No repr and no error shows more of it than the program's name, because its other words may hold a secret.
    """

    command: str = field(repr=False)

    def __post_init__(self) -> None:
        self._check(self.words)

    @property
    def words(self) -> list[str]:
        """The program and its arguments. SettingsError if a quote is not closed."""
        try:
            return shlex.split(self.command)
        except ValueError as error:
            raise SettingsError("the token command has a quote that is not closed") from error

    @property
    def shown(self) -> str:
        """What an error calls it, such as `the token command (op)`."""
        name = self.words[0].rpartition("/")[2]
        return f"the token command ({name})"

    @staticmethod
    def _check(words: list[str]) -> None:
        """SettingsError if they name no program."""
        if not words or not words[0]:
            raise SettingsError("the token command is empty; it must name a program that prints the token")
        if assigned := _ASSIGNMENT.match(words[0]):
            raise SettingsError(
                f"the token command begins with {assigned[0]}..., and it is run without a shell; begin it "
                "with env, or set that variable before"
            )


_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=", re.ASCII)


@dataclass(frozen=True, slots=True)
class OAuth:
    """The credentials of an OAuth app."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    file: str = ""  #: the file they came from; "": the environment, which can't be updated


#: Where a token comes from that may be replaced.
SignIn = OAuth | TokenFile | TokenCommand


@dataclass(frozen=True, slots=True)
class Grant:
    """The tokens that a renewal returned."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)  #: "": the former one stays valid
    lives_seconds: float
    info: TokenInfo


class Renewal(Enum):
    """What a reply of the token endpoint means."""

    GRANTED = "granted"
    REFUSED = "refused"  #: permanently
    FAILED = "failed"  #: no definite answer: try again


def judge(reply: Reply) -> tuple[Renewal, Grant | None, str]:
    """What a reply means, with the grant, or with the reason in a line without secrets."""
    body = reply.body or {}
    if reply.ok and (grant := _grant(body)) is not None:
        if grant.lives_seconds < _SHORTEST_SECONDS:
            return Renewal.FAILED, None, f"the access token is valid for only {grant.lives_seconds:g} s"
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
    """The token in a reply of the token endpoint; None if it holds no usable one."""
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
    """Whether a token is valid in a header."""
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
    """When a token is due for renewal, and when it expires, in seconds of one clock."""

    due_at: float = float("-inf")
    ends_at: float = float("-inf")
    failures: int = 0

    @classmethod
    def of(cls, lives_seconds: float, asked_at: float) -> "Life":
        """The life of a token. `asked_at`: when it was requested, because the reply may have been slow."""
        return cls(asked_at + lives_seconds * _RENEWED_AFTER, asked_at + lives_seconds - _LAST_SECONDS)

    def failed(self, now: float) -> None:
        """Note a failed renewal: the next try comes later each time; the old token stays in use."""
        pause = min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0**self.failures)
        self.failures += 1
        self.due_at = now + pause

    def expire(self) -> None:
        """Note that the token was refused."""
        self.due_at = self.ends_at = float("-inf")

    def is_due(self, now: float) -> bool:
        return now >= self.due_at

    def wait_seconds(self, now: float) -> float:
        """How long to send nothing: the token has expired, and its renewal has just failed."""
        return max(0.0, self.due_at - now) if now >= self.ends_at else 0.0
