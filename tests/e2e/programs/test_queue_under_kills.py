"""A program that puts the messages of a queue, in a real process that is killed again and again."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from support.processes import wait_until

PROGRAM = """
import asyncio
import os
import sqlite3

from uploader import RowOutcome, Uploader

queue = sqlite3.connect("queue.sqlite", isolation_level=None)
queue.execute("PRAGMA synchronous=OFF")


async def acknowledge(row: RowOutcome) -> None:
    assert row.ok, row
    queue.execute("DELETE FROM messages WHERE id = ?", (row.ref,))


async def main() -> None:
    messages = queue.execute("SELECT id, email, name FROM messages ORDER BY id").fetchall()
    async with Uploader(
        token="test-token", base_url=os.environ["HUBSPOT_BASE_URL"], max_in_flight=3, on_outcome=acknowledge
    ) as job:
        for number, email, name in messages:
            await job.put({"email": email, "firstname": name}, ref=number)


asyncio.run(main())
"""


def start(folder: Path, url: str) -> subprocess.Popen[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {**kept, "HUBSPOT_BASE_URL": url, "TMPDIR": str(folder / "temporary")}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def names(hubspot) -> dict[str, str]:
    return {one["properties"]["email"]: one["properties"]["firstname"] for one in hubspot.contacts()}


@pytest.mark.soak
def test_no_message_is_lost_however_often_the_process_is_killed(tmp_path, hubspot_mock):
    hubspot = hubspot_mock(latency_seconds=0.1, quota="1000/10")
    (tmp_path / "temporary").mkdir()
    messages = [(f"c{number % 900}@example.com", f"N{number}") for number in range(1_500)]
    with closing(sqlite3.connect(tmp_path / "queue.sqlite", isolation_level=None)) as queue:
        queue.execute("PRAGMA journal_mode=WAL")
        queue.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, email, name)")
        queue.executemany("INSERT INTO messages (email, name) VALUES (?, ?)", messages)

        def left() -> int:
            (count,) = queue.execute("SELECT count(*) FROM messages").fetchone()
            return int(count)

        for _ in range(3):
            before = left()
            with start(tmp_path, hubspot.url) as process:
                try:
                    wait_until(lambda before=before: left() < before, process)
                finally:
                    process.kill()
            held = names(hubspot)
            waiting = {number for (number,) in queue.execute("SELECT id FROM messages")}
            for number, (email, name) in enumerate(messages, 1):
                if number not in waiting:  # it, or a later row of its key, was written
                    assert int(held[email][1:]) >= int(name[1:])
        assert 0 < left() < 1_500
        with start(tmp_path, hubspot.url) as process:
            _, errors = process.communicate(timeout=300)
        assert (process.returncode, errors, left()) == (0, "", 0)
    assert names(hubspot) == dict(messages)
    # A killed process leaves its working files, with the failed rows, where only this user can read them.
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "temporary").iterdir()} <= {0o700}
