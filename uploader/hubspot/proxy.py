"""How the server is reached: through which proxy, and with which certificate authorities.

In    the base URL, and the environment's variables.
Out   a `Network`. ValueError for a proxy that can't be used; its text never holds the proxy's password.
Rules The usual variables, lower case first, as curl, pip and requests read them. Plain http is only for a
      server on this machine; it never passes a proxy, which would see the token unencrypted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ssl import SSLContext


@dataclass(frozen=True, slots=True)
class Network:
    """How to connect. Default: directly, with the machine's own certificate authorities."""

    proxy: str = field(default="", repr=False)  #: a URL, which may hold a password; "" for none
    proxy_shown: str = ""  #: the same without a password
    proxy_variable: str = ""  #: what names it, such as an environment variable
    #: Files and folders of certificates, by what names them. Empty: the machine's own.
    authorities: Mapping[str, str] = field(default_factory=dict)
    context: SSLContext | None = field(default=None, repr=False)  #: verifies the server in place of these

    @property
    def summary(self) -> str:
        """One line for the log."""
        through = (
            f"through the proxy {self.proxy_shown} ({self.proxy_variable})" if self.proxy else "directly"
        )
        named = [f"{path} ({variable})" for variable, path in self.authorities.items()]
        whose = "of the program" if self.context else " and ".join(named) or "this machine's"
        return f"connecting {through}; certificate authorities: {whose}"


#: OpenSSL's own, a file and a list of folders.
_OPENSSL = ("SSL_CERT_FILE", "SSL_CERT_DIR")
#: A file or a folder, read where neither of those is set; known from requests and pip.
_REQUESTS = "REQUESTS_CA_BUNDLE"


def find_network(base_url: str, variables: Mapping[str, str]) -> Network:
    """The `Network` for a valid base URL, by the environment's variables."""
    found = _https(base_url)
    if found is None:
        return Network()
    used = [name for name in _OPENSSL if variables.get(name)] or [_REQUESTS]
    authorities = {name: variables[name] for name in used if variables.get(name)}
    host, port = found["host"].lower().strip("[]"), int(found["port"] or _HTTPS_PORT)
    proxy = next((name for name in _names("https_proxy", "all_proxy") if variables.get(name, "").strip()), "")
    exempt = next((variables[name] for name in _names("no_proxy") if name in variables), "")
    if not proxy or _bypasses_proxy(host, port, exempt):
        return Network(authorities=authorities)
    url, shown = _checked(variables[proxy].strip(), proxy)
    return Network(url, shown, proxy, authorities)


def given_network(base_url: str, proxy: str, certificates: SSLContext | str | None) -> Network:
    """The `Network` for a valid base URL, as a program gives it: a proxy's URL or "", and the path of
    certificate authorities, or a context.
    """
    if _https(base_url) is None:
        return Network()
    url, shown = _checked(proxy, "proxy=") if proxy else ("", "")
    context = certificates if isinstance(certificates, SSLContext) else None
    authorities = {"ssl=": certificates} if isinstance(certificates, str) else {}
    return Network(url, shown, "proxy=" if proxy else "", authorities, context)


def _https(base_url: str) -> re.Match[str] | None:
    """The parts of a URL; None if nothing would be encrypted."""
    found = _URL.fullmatch(base_url)
    return found if found and found["scheme"].lower() == "https" else None


def _names(*lower: str) -> list[str]:
    return [name for one in lower for name in (one, one.upper())]


def _checked(text: str, variable: str) -> tuple[str, str]:
    """The proxy's URL, and the same without a password."""
    url = text if "://" in text else f"http://{text}"
    found = _URL.fullmatch(url)
    if found is None or not url.isascii() or not url.isprintable() or int(found["port"] or 1) > _MOST_PORT:
        raise ValueError(f"{variable} is not the URL of a proxy, such as http://proxy.example:3128")
    if found["scheme"].lower() != "http":
        raise ValueError(
            f"{variable} is a {found['scheme']}:// proxy, which is not supported; use an http:// proxy "
            "(requests through it stay encrypted), or none for this host"
        )
    return url, f"http://{found['host']}:{found['port'] or _HTTP_PORT}"


#: The parts before the host and after the port may be secret.
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://(?:[^/?#\s]*@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]\s]+)(?::(?P<port>\d{1,5}))?(?:[/?#]\S*)?"
)
_HTTP_PORT, _HTTPS_PORT, _MOST_PORT = 80, 443, 65_535


def _bypasses_proxy(host: str, port: int, listed: str) -> bool:
    """Whether `NO_PROXY` lists the host: by name or parent domain, with or without a port; `*`: all hosts."""
    for entry in listed.lower().split(","):
        name = entry.strip()
        if name == "*":
            return True
        named, colon, number = name.rpartition(":")
        if colon and number.isdigit() and "]" not in number and named.count(":") in {0, 7}:
            if int(number) != port:
                continue
            name = named
        name = name.strip("[]").lstrip(".")
        if name and (host == name or host.endswith(f".{name}")):
            return True
    return False
