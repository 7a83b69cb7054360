"""A disk that stands still for long: what waits for it is bounded, and nothing is lost or left waiting."""

import asyncio

import pytest

from support.inline_thread import Inline
from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.soaked import some
from support.virtual_loop import run_virtual
from uploader.cli.progress import Pace, lines
from uploader.jobs.session import Seams
from uploader.jobs.upload import Run
from uploader.pipeline import collector

ROWS = 16_000
BACKLOG_BYTES = 100_000
#: Of a row that is written its line in the results file waits; none is shorter.
LINE_BYTES = 40
COMMIT_TAKES_SECONDS = 30.0


class SlowDisk(Inline):
    async def run(self, call):
        await asyncio.sleep(COMMIT_TAKES_SECONDS)
        return await super().run(call)


@pytest.mark.parametrize("refused", some(True, soaked=[False]))
def test_what_waits_for_a_commit_is_bounded(tmp_path, monkeypatch, refused):
    monkeypatch.setattr(collector, "MAX_BACKLOG_BYTES", BACKLOG_BYTES)
    rows = contacts(ROWS)
    for row in rows[::90] if refused else []:
        row["email"] = row["email"].replace("example.com", "example.badtld")
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none", latency_seconds=0.05))
    waiting, out, shown = [], [], set()

    async def work():
        seams = Seams(
            transport=lambda _: MockTransport(job.simulator),
            offload=lambda name: SlowDisk() if name == "writer" else Inline(),
        )
        run = Run(job.settings(max_in_flight=30), seams)
        running = asyncio.ensure_future(run.run())
        while not running.done():
            if run.pipeline is not None:
                waiting.append(run.pipeline.collector.uncommitted)
                out.append(run.pipeline.feed.batcher.open_records)
                shown.update(lines(run.view(), Pace(), 120))
            await asyncio.sleep(0.05)
        return await running

    summary = run_virtual(work())
    job.check(rows, summary)
    assert summary.exit_code == int(refused)
    assert any(line.startswith("waiting for the disk") for line in shown)
    # What was out when the bound was reached still comes in. Without it, all rows would wait for a commit.
    most = BACKLOG_BYTES / LINE_BYTES + max(out)
    assert ROWS / 100 < max(waiting) <= most < ROWS / 2
