"""Provides a run's token, and renews it before it expires and after a 401.

`Sender` calls it while no other request may be sent, so that no renewal happens twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from uploader.errors import SettingsError, StorageError
from uploader.hubspot.replies import Reply
from uploader.hubspot.requests import Paths
from uploader.hubspot.sign_in.credential_files import keep_refresh_token, read_token
from uploader.hubspot.sign_in.token_command import InterruptedProgramError, TokenProgram
from uploader.hubspot.sign_in.token_info import TokenInfo
from uploader.hubspot.sign_in.token_renewal import (
    Life,
    OAuth,
    Renewal,
    SignIn,
    TokenCommand,
    TokenFile,
    introspection_form,
    is_sendable,
    judge,
    refresh_form,
)
from uploader.hubspot.transport import Call, Transport
from uploader.model.stop import Cause, StopRun
from uploader.system.blocking_calls import Offload

_LOG = logging.getLogger("uploader")
#: How often HubSpot is asked for the account of a new token.
_ACCOUNT_TRIES = 5
_CLOSE_SECONDS = 20.0


class Access:
    """The token that a run's requests are sent with."""

    def __init__(
        self,
        sign_in: SignIn,
        token: str,
        transport: Transport,
        paths: Paths,
        clock: Callable[[], float],
        *,
        offload: Offload | None = None,
        outage_seconds: Callable[[], float] = lambda: 600.0,
    ) -> None:
        """`token`: the first one; "" to get it from `sign_in`, as always with OAuth. `offload` is closed with
        this. `outage_seconds`: how long renewals may fail without a valid token.
        """
        self.token = token
        self.info: TokenInfo | None = None  #: what the last grant says about its token
        #: The account that must stay the same; "" where the token may not ask, None before it was asked.
        self.portal: str | None = None
        self._sign_in = sign_in
        self._transport = transport
        self._paths = paths
        self._clock = clock
        self._offload = offload
        self._outage_seconds = outage_seconds
        self._is_proven = False  # a request with this token was accepted
        self._given_up = ""  # the refused token, until it is replaced
        self._failing_since: float | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._fault: StopRun | None = None  # why there will be no further token
        self._life = _endless() if token else Life()
        self._program = TokenProgram(sign_in) if isinstance(sign_in, TokenCommand) else None

    # --- called by the sender ---

    def is_due(self, now: float) -> bool:
        return self._life.is_due(now)

    def wait_seconds(self, now: float) -> float:
        return self._life.wait_seconds(now)

    def worked(self, token: str) -> None:
        """Note that HubSpot accepted a request with this token."""
        self._is_proven = self._is_proven or token == self.token

    async def renew(self, send_with_current_token: Callable[[Call], Awaitable[Reply]]) -> None:
        """Get the next token. StopRun if there is none, or renewals have failed for too long.

        It runs to its end even if the caller is cancelled: a replaced refresh token must be kept.
        """
        if self._fault is not None:
            raise StopRun(self._fault.cause, self._fault.reason)
        if self._renewing is not None and not self._renewing.done():
            await asyncio.shield(self._renewing)  # its first caller was cancelled
            return
        self._renewing = asyncio.ensure_future(self._renew(send_with_current_token))
        await asyncio.shield(self._renewing)

    async def _renew(self, send_with_current_token: Callable[[Call], Awaitable[Reply]]) -> None:
        """Renew. After a `StopRun`, later calls raise it: the token may be another account's."""
        try:
            await (
                self._refresh()
                if isinstance(self._sign_in, OAuth)
                else self._read_again(send_with_current_token)
            )
        except StopRun as stop:
            self._fault = stop
            self._life.expire()
            raise

    def refused(self, token: str) -> bool:
        """Note a 401 for a request with this token. Returns whether to send it again with another one."""
        if token != self.token or token == self._given_up:
            return True  # it has been replaced since the request was sent, or is about to be
        if isinstance(self._sign_in, OAuth) and not self._is_proven:
            return False  # a new token refused: the next one would be, too
        self._given_up = token
        self._life.expire()
        return True

    async def close(self) -> None:
        """Wait for a renewal in progress, up to `_CLOSE_SECONDS`; a token command is ended."""
        if self._program is not None:
            self._program.close()
        if self._renewing is not None:
            await asyncio.wait({self._renewing}, timeout=_CLOSE_SECONDS)
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        if self._offload is not None:
            self._offload.close()

    def introspection(self) -> Call | None:
        """The request for an OAuth token's account and scopes; None without OAuth."""
        if not isinstance(self._sign_in, OAuth):
            return None
        body = urlencode(introspection_form(self._sign_in, self.token)).encode()
        return Call("POST", f"{self._paths.refresh}/introspect", body, is_form=True)

    # --- renewal ---

    async def _refresh(self) -> None:
        """Ask for a new access token. StopRun if HubSpot refuses it."""
        oauth = self._sign_in
        assert isinstance(oauth, OAuth)
        asked_at = self._clock()
        body = urlencode(refresh_form(oauth)).encode()
        reply = await self._transport.send(Call("POST", self._paths.refresh, body, is_form=True))
        renewal, grant, reason = judge(reply)
        if renewal is Renewal.REFUSED:
            raise StopRun(Cause.TOKEN, f"HubSpot refuses an access token for this refresh token: {reason}")
        if grant is None:
            self._note_failure(reason)
            return
        if grant.refresh_token and grant.refresh_token != oauth.refresh_token:
            self._sign_in = await self._keep(oauth, grant.refresh_token)
        self._check_account(grant.info.portal)
        if grant.access_token == self._given_up:
            raise StopRun(Cause.TOKEN, "HTTP 401, and HubSpot returned the same access token again")
        self.token, self.info = grant.access_token, grant.info
        self._transport.use(self.token)
        self._is_proven = False
        self._failing_since, self._given_up = None, ""
        self._life = Life.of(grant.lives_seconds, asked_at)
        _LOG.info("new access token, valid for %d s", grant.lives_seconds)

    def _note_failure(self, reason: str) -> None:
        now = self._clock()
        self._failing_since = self._failing_since if self._failing_since is not None else now
        self._life.failed(now)
        _LOG.info("no new access token: %s", reason)
        if now >= self._life.ends_at and now - self._failing_since > self._outage_seconds():
            raise StopRun(Cause.OUTAGE, f"no access token for {now - self._failing_since:.0f} s: {reason}")

    async def _keep(self, oauth: OAuth, refresh_token: str) -> OAuth:
        """Store the new refresh token, before the access token is used: a later run needs it after a kill."""
        if not oauth.file:
            _LOG.warning(
                "HubSpot has replaced the refresh token. The new one is lost when this process ends, "
                "because it cannot be saved to an environment variable; use --oauth-file"
            )
            return OAuth(oauth.client_id, oauth.client_secret, refresh_token)
        keep = partial(keep_refresh_token, oauth, refresh_token)
        try:
            return await self._offload.run(keep) if self._offload else keep()
        except (StorageError, SettingsError, ValueError, TypeError) as error:
            _LOG.warning(
                "HubSpot has replaced the refresh token, and the new one could not be saved: %s", error
            )
            return OAuth(oauth.client_id, oauth.client_secret, refresh_token, oauth.file)

    async def _read_again(self, send_with_current_token: Callable[[Call], Awaitable[Reply]]) -> None:
        """Take the token that the file holds now, or that the command prints, and check its account. StopRun
        if there is no new one.
        """
        former, found = self.token, await self._read_token()
        if found == former or not is_sendable(found):
            raise StopRun(Cause.TOKEN, f"HTTP 401, and {self._whence} has no new token")
        self.token, self.info, self._is_proven, self._life = found, None, False, _endless()
        self._given_up = ""
        self._transport.use(found)
        if not former:
            return  # no request has asked yet which account is the job's
        _LOG.info("using the new token: %s has one", self._whence)
        for _ in range(_ACCOUNT_TRIES):
            reply = await send_with_current_token(Call("GET", self._paths.account))
            if reply.status == 401:
                raise StopRun(Cause.TOKEN, f"HTTP 401, also with the new token of {self._whence}")
            if reply.ok or reply.status == 403:
                portal = (reply.body or {}).get("portalId") if reply.ok else None
                self._check_account(str(portal or ""), must_name_account=True)
                return
        raise StopRun(Cause.OUTAGE, "the account of the new token could not be read")

    async def _read_token(self) -> str:
        """The token that the file or the command has now. StopRun if there is none, or
        SettingsError if there was none before: the job can't start.
        """
        if self._program is not None:
            read = self._program.read_token
        else:
            assert isinstance(self._sign_in, TokenFile)
            read = partial(read_token, Path(self._sign_in.path))
        try:
            return await self._offload.run(read) if self._offload else read()
        except InterruptedProgramError as error:
            raise StopRun(Cause.SIGNAL, str(error)) from error
        except SettingsError as error:
            if not self.token:
                raise
            raise StopRun(Cause.TOKEN, f"HTTP 401; {error}") from error

    @property
    def _whence(self) -> str:
        source = self._sign_in
        return source.shown if isinstance(source, TokenCommand) else "the token file"

    def _check_account(self, portal: str, *, must_name_account: bool = False) -> None:
        """StopRun if the new token is of another account than the job's.

        `must_name_account`: the token must tell its account, because no refresh token ties it to the former.
        """
        if self.portal is None or (portal and portal == self.portal) or not (portal or must_name_account):
            return
        whose = f"belongs to account {portal}" if portal else "may not read which account it belongs to"
        if self.portal:
            raise StopRun(Cause.TOKEN, f"the new token {whose}; this job writes to account {self.portal}")
        if must_name_account:
            raise StopRun(
                Cause.TOKEN,
                f"the new token {whose}, and the former one could not read it; run the command again with a "
                "token of the account that this job writes to",
            )


def _endless() -> Life:
    """The life of a token that is not known to expire."""
    return Life(float("inf"), float("inf"))
