"""Sign-in settings: the token, and where requests go. Raise `SettingsError`; no text holds the token."""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from uploader.errors import SettingsError
from uploader.hubspot.proxy import Network
from uploader.hubspot.requests import VERSIONS
from uploader.hubspot.sign_in.token_renewal import SignIn

BASE_URL = "https://api.hubapi.com"


@dataclass(frozen=True, kw_only=True)
class SignInSettings:
    """The token is never part of a repr, a log or an error."""

    __slots__ = ()  # `Settings` has them

    token: str = field(repr=False)  #: the first one; "" if `sign_in` has it
    #: Where a new token comes from; None: there is only `token`
    sign_in: SignIn | None = field(default=None, repr=False)
    offline: bool = False  #: no requests are sent, so no token is needed
    base_url: str = BASE_URL
    network: Network = field(default=Network())  #: proxy and certificates
    api_version: str = "v3"

    @property
    def is_local(self) -> bool:
        """Whether requests stay on this machine: a mock server, whose records have no page in HubSpot."""
        return _is_loopback(urlsplit(self.base_url).hostname or "")

    def _check_sign_in(self) -> None:
        if not self.offline and (self.token or self.sign_in is None):
            check_token(self.token)
        check_base_url(self.base_url)

    def _check_version(self) -> None:
        if self.api_version not in VERSIONS:
            raise SettingsError(f"--api-version {self.api_version} is not one of {', '.join(VERSIONS)}")


def check_token(token: str) -> None:
    """SettingsError if the token can't be sent in a header: visible ASCII only. The text never repeats it."""
    if not token:
        raise SettingsError(
            "no access token: set HUBSPOT_ACCESS_TOKEN, or use --token-file or --token-command"
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsError(
            "the token contains characters that HubSpot tokens do not have (a line break, a space?)"
        )


def check_base_url(url: str) -> None:
    """SettingsError if it is no URL, or would send the token unencrypted to another machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise SettingsError(f"--base-url {url!r} is not a URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise SettingsError(f"--base-url {url!r} is not a URL such as {BASE_URL}")
    if parts.username or parts.password:
        raise SettingsError("--base-url must not contain a user name or password")
    if parts.scheme == "http" and not _is_loopback(host):
        raise SettingsError(
            f"--base-url {url!r} would send the token unencrypted; use https (http is allowed for localhost "
            "only)"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
