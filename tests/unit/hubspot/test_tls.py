"""TLS and proxies over real sockets: which servers get the token, and the message where one does not."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import trustme
import uvloop

from uploader.errors import SettingsError
from uploader.hubspot import tls
from uploader.hubspot.client import HubSpot
from uploader.hubspot.proxy import Network
from uploader.hubspot.transport import Call
from uploader.model.stop import Cause
from uploader.pipeline.reply_verdict import Action, classify_read

CALL = Call("POST", "/crm/v3/objects/contacts/batch/upsert", b"{}")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path):
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return {"SSL_CERT_FILE": str(path)}


@dataclass
class Server:
    """One answer to each request; `seen` holds the heads of what came."""

    port: int = 0
    seen: list[bytes] = field(default_factory=list)


@contextlib.asynccontextmanager
async def serving(certificate: trustme.LeafCert | None = None) -> AsyncIterator[Server]:
    server = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            server.seen.append(await (reader.readuntil(b"\r\n\r\n") if certificate else reader.read(1)))
            writer.write(ANSWER)
            await writer.drain()
        writer.close()

    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server


@contextlib.asynccontextmanager
async def tunnelling(status: bytes = b"200 OK") -> AsyncIterator[Server]:
    """A proxy that knows CONNECT alone."""
    proxy, tasks = Server(), []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        proxy.seen.append(head)
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        await writer.drain()
        if not status.startswith(b"200"):
            writer.close()
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        there, back = await asyncio.open_connection("127.0.0.1", int(port))
        assert host == "localhost"
        tasks.append(asyncio.ensure_future(pass_on(there, writer)))
        await pass_on(reader, back)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        proxy.port = listening.sockets[0].getsockname()[1]
        yield proxy
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ask(port: int, network: Network):
    left = []
    async with HubSpot(f"https://localhost:{port}", "secret-token", network) as hubspot:
        reply = await hubspot.send(CALL, lambda: left.append(1))
    return reply, len(left)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_an_authority_of_ones_own_is_trusted(authority, trusted, variable):
    async with serving(authority.issue_cert("localhost")) as server:
        reply, left = await _ask(server.port, Network(authorities={variable: trusted["SSL_CERT_FILE"]}))
    assert (reply.status, left) == (200, 1)
    assert b"Bearer secret-token" in server.seen[0]


def _bad(authority):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    return {
        "another authority's": trustme.CA().issue_cert("localhost"),
        "another host's": authority.issue_cert("elsewhere.example"),
        "expired": authority.issue_cert("localhost", not_after=yesterday),
    }


@pytest.mark.parametrize("which", ["another authority's", "another host's", "expired"])
async def test_a_certificate_that_proves_nothing_gets_no_token_and_stops_the_run(authority, trusted, which):
    async with serving(_bad(authority)[which]) as server:
        reply, left = await _ask(server.port, Network(authorities=trusted))
    assert server.seen == []
    assert (reply.status, reply.maybe_applied, reply.misconfigured, left) == (0, False, True, 0)
    assert "certificate of localhost" in reply.message
    assert "SSL_CERT_FILE" in reply.message
    verdict = classify_read(reply)
    assert (verdict.action, verdict.cause) == (Action.STOP, Cause.NETWORK)


async def test_without_variables_the_machines_own_authorities_count(authority):
    async with serving(authority.issue_cert("localhost")) as server:
        reply, _ = await _ask(server.port, Network())
    assert reply.misconfigured
    assert server.seen == []


@pytest.fixture(params=[asyncio.SelectorEventLoop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


@pytest.mark.parametrize("own", [True, False])
def test_on_macos_the_system_says_whom_to_trust(authority, trusted, own, run, monkeypatch):
    """Elsewhere the context of truststore asks OpenSSL, which takes the variable for the system's file."""
    monkeypatch.setenv("SSL_CERT_FILE", trusted["SSL_CERT_FILE"])
    network = Network(context=tls.context_of(Network(), "darwin"))

    async def ask():
        async with serving((authority if own else trustme.CA()).issue_cert("localhost")) as server:
            reply, _ = await _ask(server.port, network)
        return reply, server.seen

    reply, seen = run(ask())
    assert (reply.status, reply.misconfigured, len(seen)) == ((200, False, 1) if own else (0, True, 0))
    assert network.context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_named_authorities_replace_those_of_the_system(trusted, system):
    context = tls.context_of(Network(authorities=trusted), system)
    assert type(context) is ssl.SSLContext
    assert len(context.get_ca_certs()) == 1


async def test_a_server_without_tls_is_told_as_such_and_may_come_back(trusted):
    async with serving() as server:
        reply, _ = await _ask(server.port, Network(authorities=trusted))
    assert (reply.status, reply.misconfigured) == (0, False)
    assert not any(b"secret-token" in head for head in server.seen)


def test_authorities_that_are_not_there_or_hold_nothing_are_told_before_anything_is_sent(tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    for path, why in ((tmp_path / "gone.pem", "does not exist"), (empty, "has no readable PEM certificates")):
        with pytest.raises(SettingsError, match=why):
            HubSpot("https://localhost", "secret", Network(authorities={"SSL_CERT_FILE": str(path)}))


def _proxy(port: int, trusted: dict[str, str], who: str = "") -> Network:
    return Network(
        f"http://{who}127.0.0.1:{port}", f"http://127.0.0.1:{port}", "HTTPS_PROXY", authorities=trusted
    )


async def test_through_a_proxy_the_token_stays_encrypted_and_the_request_leaves_once(authority, trusted):
    async with serving(authority.issue_cert("localhost")) as server, tunnelling() as proxy:
        reply, left = await _ask(server.port, _proxy(proxy.port, trusted, "ann:p4ss@"))
    assert (reply.status, left) == (200, 1)
    assert b"Proxy-Authorization: Basic" in proxy.seen[0]
    assert b"secret-token" not in proxy.seen[0]
    assert b"Proxy-Authorization" not in server.seen[0]
    assert b"secret-token" in server.seen[0]


async def test_a_proxy_that_decrypts_tls_is_detected(authority, trusted):
    async with serving(trustme.CA().issue_cert("localhost")) as server, tunnelling() as proxy:
        reply, left = await _ask(server.port, _proxy(proxy.port, trusted))
    assert (reply.misconfigured, server.seen, left) == (True, [], 0)


@pytest.mark.parametrize(
    ("status", "misconfigured"), [(b"407 Who are you", True), (b"403 No", True), (b"502 Bad", False)]
)
async def test_a_proxy_that_refuses_is_named_without_its_password(trusted, status, misconfigured):
    async with tunnelling(status) as proxy:
        reply, left = await _ask(443, _proxy(proxy.port, trusted, "ann:p4ss@"))
    assert (reply.status, reply.maybe_applied, reply.misconfigured, left) == (0, False, misconfigured, 0)
    assert "HTTPS_PROXY" in reply.message
    assert "p4ss" not in repr(reply)


async def test_a_proxy_that_is_not_there_is_named(trusted):
    reply, _ = await _ask(443, _proxy(9, trusted, "ann:p4ss@"))
    assert (reply.status, reply.misconfigured) == (0, False)
    assert "proxy http://127.0.0.1:9" in reply.message
    assert "p4ss" not in repr(reply)
