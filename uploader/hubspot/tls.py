"""TLS settings for aiohttp, and the replies that stand for TLS and proxy errors.

Certificates are always verified: there is no option to leave that out.
"""

import os
import ssl
import sys
from pathlib import Path

import aiohttp

from uploader.errors import SettingsError
from uploader.hubspot.proxy import Network
from uploader.hubspot.replies import Reply, no_reply

_MACOS = "darwin"
#: The errors of aiohttp that a proxy or a certificate causes.
Fault = (
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientConnectorSSLError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ClientProxyConnectionError,
)


def context_of(network: Network, system: str = sys.platform) -> ssl.SSLContext | bool:
    """The TLS context that verifies the server; True: aiohttp's default, with the machine's own authorities.

    SettingsError where the named certificates can't be read: OpenSSL would trust none, and not say why.
    """
    if network.context is not None:
        return network.context
    if not network.authorities:
        return _of_keychain() if system == _MACOS else True
    context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    for variable, text in network.authorities.items():
        named = f"{variable} names {text}"
        paths = [Path(part) for part in text.split(os.pathsep) if part]
        if not any(path.exists() for path in paths):
            raise SettingsError(f"{named}, which does not exist; correct or unset it")
        folders = text if all(path.is_dir() for path in paths) else None
        try:
            # Into an empty context: the machine's own authorities must not be trusted as well.
            context.load_verify_locations(None if folders else text, folders)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"{named}, which has no readable PEM certificates") from error
    return context


def _of_keychain() -> ssl.SSLContext:
    """A context that asks the system about a certificate.

    On macOS OpenSSL does not know the keychain, nor which authorities a company has added to it; some
    installations of Python trust none at all. On Linux OpenSSL reads the system's files by itself, once;
    truststore would read them for each connection, which takes some 20 ms.
    """
    import truststore  # noqa: PLC0415  # on macOS only

    return _strict(truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, of a kind that verifies certificate and host, for HTTP 1.1 over TLS 1.2 or newer."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def reply_for(error: Exception, network: Network) -> Reply:
    """The reply for a TLS or proxy error: nothing was sent; `misconfigured` where a retry can't help."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return no_reply(
            f"the certificate of {error.host} is not trusted: {_why(error.certificate_error)}; nothing was "
            "sent. If it is a proxy or server of your company, set SSL_CERT_FILE (in Python: ssl=) to "
            "the file of its certificate authority",
            maybe_applied=False,
            misconfigured=True,
        )
    if isinstance(error, aiohttp.ClientHttpProxyError):
        # 502 to 504: the proxy works, and can't reach the server at the moment.
        is_passing = error.status >= 500
        what = "requires a user name and password" if error.status == 407 else f"answers {error.status}"
        return no_reply(
            f"the proxy {network.proxy_shown} {what}; correct {network.proxy_variable}",
            maybe_applied=False,
            misconfigured=not is_passing,
        )
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return no_reply(
            f"cannot reach the proxy {network.proxy_shown} ({network.proxy_variable}): "
            f"{error.os_error.strerror or 'no connection'}",
            maybe_applied=False,
        )
    return no_reply(f"no encrypted connection: {_why(error)}", maybe_applied=False)


def _why(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    cause = getattr(error, "os_error", error)
    reason = getattr(cause, "reason", None)
    return (str(reason).lower().replace("_", " ") if reason else "") or type(cause).__name__
