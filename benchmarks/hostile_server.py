"""A server that means harm, one way at a time: what the uploader makes of it, and what that costs.

Lives here: the servers (raw sockets on the loopback address), and what has to be seen: a clear line, the
exit code, bounded memory, and nothing sent to anybody else.

    python -m benchmarks.hostile_server
    python -m benchmarks.hostile_server --only "10 GB"
"""

import argparse
import asyncio
import gzip
import os
import sys
import threading
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.support.make_contacts import make
from benchmarks.support.processes import Client, Failed, Table, last_words, workplace

MOST_MB = 200
HUGE_BYTES = 10 * 1024**3
TITLE = b"\x1b]0;pwned\x07\x1b[31m"

Harm = Callable[[asyncio.StreamWriter, "Server"], Awaitable[None]]


class Server:
    """Answers every request in one way, in a thread with a loop of its own."""

    def __init__(self, harm: Harm) -> None:
        self.requests = 0
        self.elsewhere: list[bytes] = []  #: what came to the other server, that nobody may be led to
        self.port = self.other_port = 0
        self._harm = harm
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._is_up.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._is_up.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        other = await asyncio.start_server(self._note, "127.0.0.1", 0)
        self.port, self.other_port = (one.sockets[0].getsockname()[1] for one in (server, other))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            await self._harm(writer, self)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has left, as it should
        finally:
            writer.close()

    async def _note(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.elsewhere.append(await reader.read(65_536))
        writer.close()


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Type: application/json", *lines, "", ""]).encode()


async def huge(writer: asyncio.StreamWriter, _: Server) -> None:
    writer.write(head(f"Content-Length: {HUGE_BYTES}"))
    block = b"[" * 1024 * 1024
    for _block in range(HUGE_BYTES // len(block)):
        writer.write(block)
        await writer.drain()


async def bomb(writer: asyncio.StreamWriter, _: Server) -> None:
    """A gibibyte of blanks, a thousand times smaller on the way, ten times over."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * 1024 * 1024
    writer.write(head("Content-Encoding: gzip", "Connection: close"))
    for _block in range(10_240):
        writer.write(packer.compress(block))
        await writer.drain()


async def drip(writer: asyncio.StreamWriter, _: Server) -> None:
    writer.write(head("Content-Length: 100000"))
    for _byte in range(100):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.5)


async def redirect(writer: asyncio.StreamWriter, server: Server) -> None:
    there = f"http://127.0.0.1:{server.other_port}/steal"
    writer.write(head(f"Location: {there}", "Content-Length: 0", status="307 Temporary Redirect"))


async def deep(writer: asyncio.StreamWriter, _: Server) -> None:
    body = b'{"a":' * 200_000
    writer.write(head(f"Content-Length: {len(body)}") + body)


async def page(writer: asyncio.StreamWriter, _: Server) -> None:
    body = b"<html><script>alert(1)</script><h1>" + TITLE + b"Log in to the hotel</h1></html>"
    writer.write(head(f"Content-Length: {len(body)}") + body)


async def codes(writer: asyncio.StreamWriter, _: Server) -> None:
    body = b'{"status":"error","category":"\\u001b[31mOOPS","message":"\\u001b]0;pwned\\u0007=HYPERLINK(1)"}'
    writer.write(head(f"Content-Length: {len(body)}", status="400 Bad Request") + body)


async def packed_nonsense(writer: asyncio.StreamWriter, _: Server) -> None:
    body = gzip.compress(b"{}")[:-6] + os.urandom(2_000)
    writer.write(head("Content-Encoding: gzip", f"Content-Length: {len(body)}") + body)


async def headers(writer: asyncio.StreamWriter, _: Server) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        writer.write(b"X-%d: %s\r\n" % (number, b"a" * 1_000))
        await writer.drain()
    writer.write(b"\r\n")


HARMS: dict[str, Harm] = {
    "an answer of 10 GB": huge,
    "a bomb of 10 GB in gzip": bomb,
    "a byte each half second": drip,
    "a redirect to another host": redirect,
    "objects 200,000 deep": deep,
    "a page for people, with a script": page,
    "escape codes in an error": codes,
    "gzip that is none": packed_nonsense,
    "100 MB of headers": headers,
}


def main() -> int:
    options = parse()
    table = Table("A server that means harm: exit code, peak MB, requests, and the message")
    with workplace(options.keep) as folder:
        source = folder / "contacts.csv"
        make(source, 1_000, 7)
        for name, harm in HARMS.items():
            if options.only in name:
                place = folder / name.replace(" ", "-").replace(",", "")
                place.mkdir()
                tried(table, name, harm, source, place)
    print(table)
    return 1 if table.failures else 0


def tried(table: Table, name: str, harm: Harm, source: Path, folder: Path) -> None:
    server = Server(harm)
    words = ["--yes", "--checkpoint", str(folder / "c.checkpoint"), "--results", str(folder / "r.csv")]
    client = Client(source, f"http://127.0.0.1:{server.port}", words, folder)
    code = client.wait(200)
    server.stop()
    printed = (folder / "client.log").read_bytes()
    line = last_words(folder / "client.log").splitlines()[-1]
    peak = client.peak_kilobytes / 1024
    is_clean = all(byte >= 32 or byte == 10 for byte in printed) and b"Traceback" not in printed
    met = code in {2, 75, 78} and peak < MOST_MB and is_clean and not server.elsewhere and server.requests > 0
    table.demand(name, f"exit {code}, {peak:.0f} MB, {server.requests} requests: {line[:150]}", met=met)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Servers that mean harm.")
    parser.add_argument("--only", default="", help="those whose name holds this")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the files there")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        sys.exit(f"hostile: {error}")
