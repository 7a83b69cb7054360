"""The requests before the first write: account, properties, owners, daily usage. Nothing is written."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import quote

from msgspec import structs

from uploader.errors import SettingsError
from uploader.hubspot.account import Account
from uploader.hubspot.missing_scopes import (
    DETAILS,
    DOCUMENTED_SCOPES,
    LIMITS,
    OWNERS,
    PIPELINES,
    PROPERTIES,
    SENSITIVITIES,
    USAGE,
    alternatives,
    missing_scopes,
)
from uploader.hubspot.object_types import is_searched, noun
from uploader.hubspot.owner_lookup import Owner, Owners, decode_owners
from uploader.hubspot.record_limits import RecordLimit, decode_record_limit
from uploader.hubspot.replies import Reply
from uploader.hubspot.reply_decoding import decode_usage
from uploader.hubspot.requests import Paths, encode_token_info, paths
from uploader.hubspot.schema import Schema, entries_of
from uploader.hubspot.sign_in.token_info import TokenInfo, object_scopes
from uploader.hubspot.stage_lookup import Pipelines, decode_pipelines
from uploader.hubspot.transport import Call
from uploader.model.records import EMAIL, OWN_ID
from uploader.model.stop import LONG_PAUSES, Cause, StopRun
from uploader.pipeline.rate.daily_quota import DailyQuota
from uploader.pipeline.reply_verdict import Action, Verdict, classify_read
from uploader.pipeline.requests.attempts import Attempt, Attempts, Judged, Piece, Task
from uploader.pipeline.requests.retry import Evidence, GiveUp, History
from uploader.records.columns import Rules

#: Attempts for a request that a job can do without.
_TRIES = 4
#: By path, replies and when they came, by the loop's clock.
Kept = dict[str, tuple[float, Reply]]
#: How long a reply holds for the next job: an upload relies on what it read at its start for longer.
_FRESH_SECONDS = 3_600.0
#: More pages of owners than any account has; ends a loop if a reply names the same next page again.
_OWNER_PAGES = 200

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class TokenAndLimits:
    """What only `check` reads: the token's scopes, and how many records the account may hold."""

    token: TokenInfo
    record_limit: RecordLimit | None  #: None if the token may not read it


class Preflight:
    """Sends the requests of the preflight, and retries them as long as the settings allow."""

    def __init__(
        self,
        attempts: Attempts,
        paths: Paths,
        object_type: str,
        outage_seconds: Callable[[], float],
        kept: Kept | None = None,
    ) -> None:
        """`outage_seconds()`: how long no request may succeed before the run stops. `kept`: replies that
        other jobs got, and get.
        """
        scopes = object_scopes(object_type)
        self._documented_scopes = {
            PROPERTIES: scopes.schema,
            PIPELINES: scopes.read,
            **{level: scopes.of_sensitive(level, "read") for level in SENSITIVITIES},
            **DOCUMENTED_SCOPES,
        }
        self._attempts = structs.replace(attempts, sleep=self._wait, is_early=True)
        self._sender = attempts.sender
        self._paths = paths
        self._outage_seconds = outage_seconds
        self.lacking: dict[str, str] = {}  #: scopes that were missing, by what is read
        self.listed: Sequence[object] = ()  #: the entries of all properties read so far
        self._info: TokenInfo | None = None  # None until it is read
        self._kept = {} if kept is None else kept
        self._asked: set[str] = set()  # paths: a job that asks again wants to know what has changed

    async def read_account(self, token: str) -> Account:
        """Read which account the token belongs to, without its properties. StopRun if later requests would
        fail, too; SettingsError if --daily-reserve leaves no requests.

        No other request may run meanwhile: it could have the token replaced, and a new token must be of the
        account that is read here.
        """
        answer = await self._ask_once(Call("GET", self._paths.account), DETAILS)
        _check_reserve(self._sender.day)
        details = answer.body or {}
        portal = str((details.get("portalId") if answer.ok else (await self._ask_info(token)).portal) or "")
        if self._sender.access is not None:
            self._sender.access.portal = portal  # a renewed token must be of the same account
        offset = details.get("utcOffsetMilliseconds")
        return Account(
            portal=portal,
            kind=str(details.get("accountType") or ""),
            time_zone=str(details.get("timeZone") or ""),
            utc_offset_seconds=offset / 1000 if isinstance(offset, int) else 0.0,
            ui_domain=str(details.get("uiDomain") or ""),
            lacking=self.lacking,
        )

    async def read_properties(self, *, has_addresses: bool) -> Schema | None:
        """Read the properties; None if the token may not."""
        reply = await self._ask_once(Call("GET", self._paths.properties), PROPERTIES)
        known = reply.body if reply.ok and reply.body else None
        self.listed = entries_of(known)
        return Schema.decode(known, has_addresses=has_addresses) if known else None

    async def read_sensitive_properties(self, *, has_addresses: bool) -> Schema:
        """Read the sensitive properties, too, in two requests, as far as the token may see them."""
        path = f"{self._paths.properties}?dataSensitivity="
        first, second = [
            self._ask_once(Call("GET", path + level), level, is_optional=True) for level in SENSITIVITIES
        ]
        replies = await run_both(first, second)
        more = [entry for reply in replies if reply.ok for entry in entries_of(reply.body)]
        self.listed = [*self.listed, *more]
        return self._with_sensitive(self.listed, has_addresses=has_addresses)

    async def hide_unreadable(self, schema: Schema, token: str, *, has_addresses: bool) -> Schema:
        """The schema without the sensitive properties that the token may not read. Definitions need no scope,
        and a value that is left out of a reply would be taken for a blank one.
        """
        scopes = (await self._ask_info(token)).scopes if schema.sensitive else None
        if scopes is None:
            return schema
        for level in set(schema.sensitive.values()):
            scope = self._documented_scopes[level]
            if scope and scope not in scopes:
                self.lacking[level] = scope
        hidden = {name for name, level in schema.sensitive.items() if level in self.lacking}
        seen = [one for one in self.listed if not isinstance(one, dict) or one.get("name") not in hidden]
        return self._with_sensitive(seen, has_addresses=has_addresses)

    def _with_sensitive(self, listed: Sequence[object], *, has_addresses: bool) -> Schema:
        schema = Schema.decode({"results": listed}, has_addresses=has_addresses)
        hidden = [self.lacking[one] for one in SENSITIVITIES if one in self.lacking]
        return replace(schema, has_sensitive=True, hidden_scope=" or ".join(hidden))

    async def read_token_and_limits(self, token: str, object_type: str) -> TokenAndLimits:
        """Read what only `check` shows, in two requests; a refusal is no error."""
        limits = self._ask_once(Call("GET", self._paths.limits), LIMITS, is_optional=True, tries=_TRIES)
        info, reply = await run_both(self._ask_info(token), limits)
        return TokenAndLimits(info, decode_record_limit(reply.body if reply.ok else None, object_type))

    async def read_properties_of(self, object_type: str, version: str) -> Reply:
        """Ask for the properties of another object type; the reply may be a refusal."""
        return await self._ask_once(Call("GET", paths(version, object_type).properties), is_optional=True)

    async def read_scopes(self, token: str) -> frozenset[str] | None:
        """The scopes of the token; None if HubSpot does not report them."""
        return (await self._ask_info(token)).scopes

    async def read_app_id(self, token: str) -> str:
        """The id of the token's app, as it appears in property histories; "" if the token may not read it."""
        return (await self._ask_info(token)).app

    async def ask(self, call: Call) -> Reply:
        """Send a request until there is a definite reply: an answer, or a refusal of whatever kind."""
        return await self._ask(call, is_optional=True)

    async def _ask_info(self, token: str) -> TokenInfo:
        if self._info is None:
            self._info = await self._ask_for_info(token)
        return self._info

    async def _ask_for_info(self, token: str) -> TokenInfo:
        access = self._sender.access
        if access is not None and (question := access.introspection()) is not None:
            reply = await self._ask(question, is_optional=True, tries=_TRIES)
            info = TokenInfo.decode(reply.body if reply.ok else None)
            return info if info.portal else access.info or info
        if access is not None:
            token = access.token  # it may have been replaced since
        reply = await self._ask_once(
            Call("POST", self._paths.token_info, encode_token_info(token)), is_optional=True, tries=_TRIES
        )
        return TokenInfo.decode(reply.body if reply.ok else None)

    async def read_owners(self) -> Owners | None:
        """Read all owners, archived ones included; None if the token may not."""
        active, archived = await run_both(self._ask_owners("false"), self._ask_owners("true"))
        return None if active is None or archived is None else Owners([*active, *archived])

    async def read_pipelines(self) -> Pipelines | None:
        """Read the pipelines and their stages; None if the token may not."""
        reply = await self._ask(Call("GET", self._paths.pipelines), PIPELINES, is_optional=True)
        return decode_pipelines(reply.body) if reply.ok and reply.body else None

    async def _ask_owners(self, archived: str) -> list[Owner] | None:
        found: list[Owner] = []
        after = ""
        for _ in range(_OWNER_PAGES):
            where = f"&after={quote(after)}" if after else ""
            call = Call("GET", f"{self._paths.owners}?limit=500&archived={archived}{where}")
            reply = await self._ask(call, OWNERS, is_optional=True)
            if not reply.ok:
                return None
            owners, after = decode_owners(reply.body or {})
            found += owners
            if not after:
                break
        return found

    async def read_daily_usage(self) -> None:
        """When the day ends, where there is a daily quota and it may be asked. Not where few reads may leave:
        these are for what decides something.
        """
        if self._sender.day.remaining is None or self._sender.log.is_unknown(self._attempts.clock()):
            return
        reply = await self._ask(Call("GET", self._paths.usage), USAGE, is_optional=True, tries=_TRIES)
        usage = decode_usage(reply.body) if reply.ok and reply.body else None
        if usage is not None:
            self._sender.day.look(usage)

    async def _ask(
        self, call: Call, asked: str = "", *, is_optional: bool = False, tries: float = math.inf
    ) -> Reply:
        """Send a request until there is a definite reply. An optional one is given up after `tries`, with the
        last reply. `asked`: what is read, for `lacking`.
        """
        question = _Question(self._attempts.patience, is_optional=is_optional, tries=tries)
        await self._attempts.run(question, [Piece([call])])
        assert question.reply is not None
        self._note_lacking(asked, question.reply)
        return question.reply

    async def _ask_once(
        self, call: Call, asked: str = "", *, is_optional: bool = False, tries: float = math.inf
    ) -> Reply:
        """As `_ask`, for what another job on the same connection may have asked a while ago."""
        at, kept = self._kept.get(call.path, (-math.inf, None))
        is_again = call.path in self._asked
        self._asked.add(call.path)
        if kept is not None and not is_again and self._attempts.clock() - at < _FRESH_SECONDS:
            self._note_lacking(asked, kept)
            return kept
        reply = await self._ask(call, asked, is_optional=is_optional, tries=tries)
        if reply.ok or reply.status == 403:
            self._kept[call.path] = self._attempts.clock(), reply
        return reply

    def _note_lacking(self, asked: str, reply: Reply) -> None:
        """Note the scope that a refused read needs."""
        if asked and reply.status == 403:
            self.lacking[asked] = alternatives(missing_scopes(reply.body)) or (
                self._documented_scopes.get(asked, "")
            )

    async def _wait(self, seconds: float) -> None:
        since = self._sender.failing_since
        if since is not None and self._attempts.clock() + seconds - since > self._outage_seconds():
            raise StopRun(Cause.OUTAGE, self._sender.last_failure)
        await asyncio.sleep(seconds)


class _Question(Task[Call]):
    """A single request. A 403 is a definite reply: the token may lack the scope to read this."""

    def __init__(
        self, patience: Callable[[Verdict], float | None], *, is_optional: bool, tries: float
    ) -> None:
        self.give_up_rule = GiveUp(Evidence.NONE, alone=tries)
        self.reply: Reply | None = None  #: the last one
        self._patience = patience
        self._is_optional = is_optional

    def call(self, items: Sequence[Call]) -> Call:
        return items[0]

    def judge(self, items: Sequence[Call], reply: Reply, history: History) -> Judged[Call]:
        del history
        verdict = self._judge(reply, items[0].path)
        return Judged(verdict, () if verdict.action is Action.SETTLE else items)

    def _judge(self, reply: Reply, path: str) -> Verdict:
        """The verdict on a reply of the preflight. A refusal stops the run unless the request is optional."""
        is_answer = reply.ok and (reply.readable or reply.status == 204)  # no content
        if is_answer or reply.status == 403:
            return Verdict(Action.SETTLE)
        verdict = classify_read(reply)
        passes = verdict.cause in LONG_PAUSES and self._patience(verdict) is not None
        if passes or verdict.action not in {Action.STOP, Action.SPLIT}:
            return verdict
        if self._is_optional:
            return Verdict(Action.SETTLE)
        reason = f"{path}: {verdict.reason}"
        return structs.replace(
            verdict, action=Action.STOP, cause=verdict.cause or Cause.ADDRESS, reason=reason
        )

    async def settle_attempt(self, attempt: Attempt[Call]) -> None:
        self.reply = attempt.reply

    async def give_up(self, attempt: Attempt[Call]) -> None:
        """Keep the last reply."""


async def run_both(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Run both side by side and return both results. If both fail, the error of the first one is raised,
    whichever came earlier, so that the reported error does not depend on timing. The other is cancelled.
    """
    tasks = asyncio.ensure_future(first), asyncio.ensure_future(second)
    try:
        return await tasks[0], await tasks[1]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _check_reserve(day: DailyQuota) -> None:
    """SettingsError if --daily-reserve leaves no requests to this job."""
    if day.limit and day.reserve.of(day.limit) >= day.limit:
        raise SettingsError(
            f"--daily-reserve leaves all of the day's {day.limit:,} requests to other apps; lower it"
        )


def check_named_portal(named: str, account: Account) -> None:
    """SettingsError if the token is not certainly of the account that --portal names."""
    if named == account.portal:
        return
    if account.portal:
        raise SettingsError(
            f"--portal {named}: this token belongs to account {account.portal}, so nothing was written; use "
            f"a token of account {named}, or --portal {account.portal}"
        )
    raise SettingsError(
        f"--portal {named}: this token may not read which account it belongs to, so nothing was written; "
        f"give it the scope `{account.scope(DETAILS)}`, or use --yes instead of --portal"
    )


def check_keys(rules: Rules, schema: Schema) -> None:
    """SettingsError if HubSpot can't upsert by a property that rows are matched by."""
    option = "--id-property" if len(rules.match) == 1 else "--match"
    many = noun(rules.object_type).many
    for name in rules.match:
        if name == OWN_ID:
            continue  # every account has it, and matches by it in updates
        if is_searched(rules.object_type, name):
            continue  # found by search, and written by id
        if name not in schema.labels:
            raise SettingsError(f"{option} {name!r}: {schema.no_property(f'of {many} with that name')}")
        # Accounts differ in whether they report email as unique; contacts can always be upserted by it.
        if name in schema.unique or (name == EMAIL and rules.has_addresses):
            continue
        searched = {one for one in schema.labels if is_searched(rules.object_type, one)}
        fitting = sorted(schema.unique | searched | ({EMAIL} if rules.has_addresses else set()))
        instead = f"choose one of {', '.join(fitting)}" if fitting else "create one with unique values first"
        raise SettingsError(
            f"{option} {name!r}: not a unique property in this account, so HubSpot cannot match {many} by "
            f"it; {instead}"
        )
