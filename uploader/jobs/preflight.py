"""What is asked before the first write: which account it is, and which properties it has. Reads only."""

import asyncio
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from uploader.errors import SettingsError
from uploader.hubspot.account import Account
from uploader.hubspot.client import Call
from uploader.hubspot.object_types import noun
from uploader.hubspot.owners import Owner, Owners, decode_owners
from uploader.hubspot.record_limits import Room, decode_room
from uploader.hubspot.schema import Schema
from uploader.hubspot.sign_in.token_info import TokenInfo
from uploader.hubspot.wire import Paths, Reply, decode_usage, encode_token_info
from uploader.model.records import EMAIL
from uploader.model.stop import LONG_PAUSES, Cause, StopRun
from uploader.pipeline.rate.daily_quota import Day
from uploader.pipeline.reply_verdict import Action, Verdict, classify_read
from uploader.pipeline.requests.retry import backoff_seconds
from uploader.pipeline.sender import Sender
from uploader.records.columns import Rules

#: No account has more owners than these pages hold; an answer that goes round in circles ends here.
_OWNER_PAGES = 200


@dataclass(frozen=True, slots=True)
class Closer:
    """What only `check` asks for."""

    token: TokenInfo
    room: Room | None  #: None where it may not be asked


class Preflight:
    """Asks patiently: a busy or starting server gets as long as the settings say."""

    def __init__(
        self,
        sender: Sender,
        paths: Paths,
        patience_seconds: Callable[[], float],
        patience: Callable[[Verdict], float | None],
        roll: Callable[[], float] = random.random,
    ) -> None:
        """`patience_seconds` with a server that does not answer well; `patience` as a worker's."""
        self._sender = sender
        self._paths = paths
        self._patience_seconds = patience_seconds
        self._patience = patience
        self._roll = roll
        self._clock = asyncio.get_running_loop().time
        self._left_at = 0.0

    async def look(self, rules: Rules, token: str, *, judge_keys: bool = True) -> Account:
        """A handful of requests. StopRun if none could pass later either, SettingsError for a wrong key."""
        answer = await self._ask(Call("GET", self._paths.account))
        _check_reserve(self._sender.day)
        details = answer.body or {}
        portal = str((details.get("portalId") if answer.ok else await self._ask_token(token)) or "")
        if self._sender.access is not None:
            self._sender.access.portal = portal  # from here on, whatever token takes this one's place
        # Side by side: on a slow line each of these requests costs seconds.
        day = asyncio.ensure_future(self.look_at_the_day())
        try:
            properties = await self._ask(Call("GET", self._paths.properties))
            await day
        finally:
            day.cancel()
            await asyncio.gather(day, return_exceptions=True)
        known = properties.body if properties.ok and properties.body else None
        schema = Schema.decode(known, has_addresses=rules.has_addresses) if known else None
        if schema is not None and judge_keys:
            check_keys(rules, schema)
        offset = details.get("utcOffsetMilliseconds")
        return Account(
            portal=portal,
            kind=str(details.get("accountType") or ""),
            time_zone=str(details.get("timeZone") or ""),
            utc_offset_seconds=offset / 1000 if isinstance(offset, int) else 0.0,
            schema=schema,
            ui_domain=str(details.get("uiDomain") or ""),
        )

    async def look_closer(self, token: str, object_type: str) -> Closer:
        """Two more requests, whose refusal stops nobody; side by side, as above."""
        info = asyncio.ensure_future(self._ask_info(token))
        try:
            reply = await self._ask(Call("GET", self._paths.limits), is_optional=True, tries=3)
            return Closer(await info, decode_room(reply.body if reply.ok else None, object_type))
        finally:
            info.cancel()
            await asyncio.gather(info, return_exceptions=True)

    async def look_at_the_app(self, token: str) -> str:
        """The id of the token's app, by which histories know it; "" where it may not be asked."""
        return (await self._ask_info(token)).app

    async def _ask_token(self, token: str) -> object:
        """The account's id, of a token that may not ask for the account; None where this is refused, too."""
        return (await self._ask_info(token)).portal or None

    async def _ask_info(self, token: str) -> TokenInfo:
        access = self._sender.access
        if access is not None and (question := access.introspection()) is not None:
            reply = await self._ask(question, is_optional=True, tries=3)
            told = TokenInfo.decode(reply.body if reply.ok else None)
            return told if told.portal else access.info or told
        if access is not None:
            token = access.token  # another one may stand in the file by now
        reply = await self._ask(
            Call("POST", self._paths.token_info, encode_token_info(token)), is_optional=True, tries=3
        )
        return TokenInfo.decode(reply.body if reply.ok else None)

    async def look_at_owners(self) -> Owners | None:
        """All owners, those who have left included; None where the token may not read them."""
        found: list[Owner] = []
        for archived in ("false", "true"):
            after = ""
            for _ in range(_OWNER_PAGES):
                where = f"&after={quote(after)}" if after else ""
                call = Call("GET", f"{self._paths.owners}?limit=500&archived={archived}{where}")
                reply = await self._ask(call, is_optional=True)
                if not reply.ok:
                    return None
                owners, after = decode_owners(reply.body or {})
                found += owners
                if not after:
                    break
        return Owners(found)

    async def look_at_the_day(self) -> None:
        """How much of the day is left and when it ends, where there is a daily quota and it may be asked."""
        if self._sender.day.remaining is None:
            return
        reply = await self._ask(Call("GET", self._paths.usage), is_optional=True, tries=3)
        usage = decode_usage(reply.body) if reply.ok and reply.body else None
        if usage is not None:
            self._sender.day.look(usage)

    async def _ask(self, call: Call, *, is_optional: bool = False, tries: float = math.inf) -> Reply:
        """Send until there is a definite answer. A 403 is one: a token for writing may not read this."""
        failures = 0
        while True:
            reply = await self._sender.send(call, on_wire=self._note_wire)
            if reply.ok and reply.readable:
                self._sender.succeeded()
                return reply
            if reply.status == 403:
                return reply
            verdict = classify_read(reply)
            if verdict.action is Action.PAUSE:
                self._sender.pause_for(verdict, self._left_at)
            elif (
                verdict.cause in LONG_PAUSES
                and verdict.cause is not None
                and (seconds := self._patience(verdict)) is not None
            ):
                self._sender.pause(verdict.cause, seconds, self._left_at)
            elif is_optional and (verdict.action is not Action.RETRY or failures >= tries):
                return reply
            elif verdict.action is not Action.RETRY:
                raise StopRun(verdict.cause or Cause.ADDRESS, f"{call.path}: {verdict.reason}")
            failures += 1
            if verdict.cause not in LONG_PAUSES:
                self._sender.failed(verdict.reason, self._left_at)
            await self._wait(backoff_seconds(failures, self._roll()))

    def _note_wire(self, out: bool) -> None:
        if out:
            self._left_at = self._clock()

    async def _wait(self, seconds: float) -> None:
        since = self._sender.failing_since
        if since is not None and self._clock() + seconds - since > self._patience_seconds():
            raise StopRun(Cause.OUTAGE, self._sender.last_failure)
        await asyncio.sleep(seconds)


def _check_reserve(day: Day) -> None:
    if day.limit and day.reserve.of(day.limit) >= day.limit:
        raise SettingsError(
            f"--daily-reserve keeps all of the day's {day.limit:,} requests for other apps; "
            "this job needs some"
        )


def check_named_portal(named: str, account: Account) -> None:
    """SettingsError where the token is not of the account that the user has named, or can't say so."""
    if named == account.portal:
        return
    if account.portal:
        raise SettingsError(
            f"--portal {named}: this token belongs to account {account.portal}, so nothing was written; use "
            f"the token of account {named}, or say --portal {account.portal}"
        )
    raise SettingsError(
        f"--portal {named}: this token may not say which account it belongs to, so nothing was written; give "
        "it the scope `oauth`, or leave --portal out and say --yes"
    )


def check_keys(rules: Rules, schema: Schema) -> None:
    """Whether HubSpot can upsert by what rows are matched by. SettingsError where it can't."""
    option = "--id-property" if len(rules.match) == 1 else "--match"
    many = noun(rules.object_type).many
    for name in rules.match:
        if name not in schema.labels:
            raise SettingsError(f"{option} {name!r}: there is no such property of {many} in this account")
        # What the API says of email's uniqueness differs between accounts; contacts are always found by it.
        if name in schema.unique or (name == EMAIL and rules.has_addresses):
            continue
        fitting = sorted(schema.unique | ({EMAIL} if rules.has_addresses else set()))
        instead = f"choose one of {', '.join(fitting)}" if fitting else "make one with unique values first"
        raise SettingsError(
            f"{option} {name!r}: its values are not unique in this account; HubSpot can't upsert "
            f"{many} by it ({instead})"
        )
