"""Reading first doubles the requests: what is foretold at the start, and the time left, know it."""

import re

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from uploader.cli.commands.upload import introduction
from uploader.cli.progress import Pace


@pytest.mark.parametrize("reads", [False, True])
def test_as_many_requests_are_foretold_as_are_sent(tmp_path, reads):
    job = Job(write_csv(tmp_path / "contacts.csv", contacts(10_000)), make_simulator(latency_seconds=0.1))
    told = []
    summary = job.run_virtual(on_start=lambda run: told.extend(introduction(run)), snapshot=reads)
    assert told[0] == (
        "contacts into account 44237313 (DEVELOPER_TEST), by email; app.hubspot.com, US/Eastern"
    )
    found = re.match(r"about ([\d,]+) rows to go: some (\d+) requests", told[1])
    assert ("is read before" in told[1]) is reads
    foretold, sent = int(found[2]), summary.tallies.upserts * (2 if reads else 1)
    assert abs(foretold - sent) < 0.1 * sent  # the rows are estimated, by the first of them


@pytest.mark.parametrize("latency", [0.05, 0.3])
def test_the_time_left_is_right_where_contacts_are_read_first(tmp_path, latency):
    job = Job(
        write_csv(tmp_path / "contacts.csv", contacts(20_000)),
        make_simulator(latency_seconds=latency, quota="100/10"),
    )
    pace, told, foretold = Pace(), [], []

    def look(run) -> None:
        view = run.view()
        pace.add(run.session.clocks.loop(), view)
        told.append((run.session.clocks.loop(), pace.seconds_left(view)))
        foretold.append(run.session.forecast(2 * 200).seconds)

    job.run_virtual(on_tick=look, snapshot=True)
    begin, end = told[0][0], job._clock
    judged = [(at, left) for at, left in told if at >= begin + (end - begin) / 10 and end - at > 2]
    assert len(judged) > 50
    tail = 0.5 + 8 * latency  # as without reading, and two replies one after the other
    assert not [(at, left, end) for at, left in judged if abs(left - (end - at)) > 0.1 * (end - at) + tail]
    assert abs(foretold[20] - (end - begin)) < 0.1 * (end - begin)
