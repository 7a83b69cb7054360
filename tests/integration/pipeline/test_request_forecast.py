"""Reading first takes up to twice the requests: what is foretold at the start, and the time left, know it."""

import re

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from support.soaked import some
from uploader.cli.commands.status import read_summary
from uploader.cli.commands.upload import introduction
from uploader.cli.progress import Pace
from uploader.cli.status_watch import Looks, _parts
from uploader.records.duplicates import OnDuplicate


@pytest.mark.parametrize("reads", some(True, soaked=[False]))
def test_the_forecast_has_as_many_requests_as_are_sent(tmp_path, reads):
    job = Job(write_csv(tmp_path / "contacts.csv", contacts(10_000)), make_simulator(latency_seconds=0.1))
    shown = []
    summary = job.run_virtual(on_start=lambda run: shown.extend(introduction(run)), snapshot=reads)
    assert shown[0] == (
        "contacts into account 44237313 (DEVELOPER_TEST), by email; app.hubspot.com, US/Eastern"
    )
    found = re.match(r"about ([\d,]+) rows left: about (\d+) requests", shown[1])
    assert ("is read before" in shown[1]) is reads
    foretold, sent = int(found[2]), summary.tallies.upserts * (2 if reads else 1)
    assert abs(foretold - sent) < 0.1 * sent  # the rows are estimated, by the first of them


def test_rows_that_a_check_has_counted_are_no_estimate(tmp_path):
    job = Job(write_csv(tmp_path / "contacts.csv", contacts(1_234)), make_simulator())
    shown = []
    job.run_virtual(on_start=lambda run: shown.extend(introduction(run, 1_234)))
    assert shown[1].startswith("1,234 rows left: about 13 requests")


def test_the_forecast_ends_at_the_limit(tmp_path):
    job = Job(write_csv(tmp_path / "contacts.csv", contacts(1_000)), make_simulator())
    shown = []
    job.run_virtual(on_start=lambda run: shown.extend(introduction(run)), limit=200)
    assert shown[1].startswith("about 200 rows left: about 2 requests")


def test_the_requests_are_the_most_until_it_is_seen_how_many_rows_are_written(tmp_path):
    """A quarter of the rows has changed."""
    rows = contacts(10_000)
    simulator = make_simulator(latency_seconds=0.1, quota="100/10")
    simulator.reset(0.0, [{"properties": dict(row)} for row in rows])
    for row in rows[::4]:
        row["firstname"] = "new"
    job = Job(
        write_csv(tmp_path / "contacts.csv", rows),
        simulator,
        options={"skip_unchanged": True, "max_in_flight": 4},
    )
    shown, requests = [], []
    for options in ({"stop_after": 8.0}, {}):
        summary = job.run_virtual(on_start=lambda run: shown.append(introduction(run)[1]), **options)
        requests.append(summary.tallies.requests)
    most = re.match(
        r"about [\d,]+ rows left: at most (\d+) requests .* until about .* at the latest$", shown[0]
    )
    assert abs(int(most[1]) - 200) <= 20
    some = re.match(r"about [\d,]+ rows left: about (\d+) requests", shown[1])
    sent = requests[1] - requests[0]
    assert abs(int(some[1]) - sent) <= 0.1 * sent + 5  # a few at the start, and rows that are read once more
    assert "latest" not in shown[1]


def chain_job(folder):
    """Every hundredth row has one key, and takes longer than all the others together."""
    rows = contacts(30_000)
    for row in rows[::100]:
        row["email"] = "none@none.com"
    simulator = make_simulator(latency_seconds=0.3, quota="100/10")
    return Job(write_csv(folder / "a.csv", rows), simulator, {"on_duplicate": OnDuplicate.IN_ORDER})


def test_the_forecast_counts_rows_of_one_key(tmp_path):
    """They are written one after the other. A resumed job knows how many there are still."""
    job, shown = chain_job(tmp_path), []
    job.run_virtual(on_start=lambda run: shown.append(introduction(run)[1:4]), stop_after=40.0)
    assert 60 < _seconds(shown[0][0]) < 90  # a quarter of a second for each of 300 rows
    assert re.match(
        r"about 3\d\d rows share one key and are written one after the other: about 1 min ", shown[0][2]
    )
    middle = job._clock
    job.run_virtual(on_start=lambda run: shown.append(introduction(run)[1:4]))
    assert _is_near(_seconds(shown[1][0]), job._clock - middle)


@pytest.mark.parametrize("resumes", some(False, soaked=[True]))
def test_the_time_left_counts_rows_of_one_key_that_are_not_read_yet(tmp_path, resumes):
    """`status --watch` says the same."""
    job, pace, looks, shown = chain_job(tmp_path), Pace(), Looks(), []
    if resumes:
        job.run_virtual(stop_after=3.0)

    def look(run) -> None:
        now, view = run.session.clocks.loop(), run.view()
        pace.add(now, view)
        summary = read_summary(job.settings().checkpoint_path)
        looks.add(now, summary)
        watched = next((one for one in _parts(summary, looks, run.rows_estimated) if "left" in one), "")
        shown.append((now, pace.seconds_left(view), watched, view.tallies.rows))

    job.run_virtual(on_tick=look)
    begin, end = shown[0][0], job._clock
    assert end - begin > 100  # without the key's rows it takes 30 seconds
    judged = [one for one in shown if end - one[0] > 8 and one[0] > begin + (13 if resumes else 3)]
    assert judged[0][3] < 27_000  # the others are not read yet
    for now, left, watched, _ in judged:
        assert _is_near(left, end - now)
        assert _is_near(_seconds(watched), end - now)


def _is_near(foretold: float, real: float) -> bool:
    return real / 2 - 2 < foretold < 2 * real + 2


def _seconds(text: str) -> int:
    """Of a duration of at least some seconds."""
    minutes, seconds = re.search(r"(?:(\d+) min )?(\d+) s\b", text).groups()
    return 60 * int(minutes or 0) + int(seconds)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("latency", "changed"),
    [
        *((0.05, 1), (0.3, 2), (0.05, 20)),
        *(pytest.param(*soaked, marks=pytest.mark.soak) for soaked in [(0.3, 1), (0.05, 2), (0.3, 20)]),
    ],
)
def test_the_time_left_is_right_where_contacts_are_read_first(tmp_path, latency, changed):
    """Every so many rows one has changed, and only these are written."""
    rows = contacts(20_000)
    simulator = make_simulator(latency_seconds=latency, quota="100/10")
    simulator.reset(0.0, [{"properties": dict(row)} for row in rows])
    for row in rows[::changed]:
        row["firstname"] = "new"
    job = Job(write_csv(tmp_path / "contacts.csv", rows), simulator)
    pace, shown, foretold = Pace(), [], []

    def look(run) -> None:
        view = run.view()
        pace.add(run.session.clocks.loop(), view)
        shown.append((run.session.clocks.loop(), pace.seconds_left(view)))
        foretold.append(run.session.forecast(200 + 200 // changed).seconds)

    summary = job.run_virtual(on_tick=look, snapshot=True, skip_unchanged=True)
    assert summary.tallies.upserts <= 200 / changed + 2
    begin, end = shown[0][0], job._clock
    judged = [(at, left) for at, left in shown if at >= begin + (end - begin) / 10 and end - at > 2]
    assert len(judged) > 30
    tail = 0.5 + 8 * latency  # as without reading, and two replies one after the other
    assert not [(at, left, end) for at, left in judged if abs(left - (end - at)) > 0.1 * (end - at) + tail]
    assert abs(foretold[20] - (end - begin)) < 0.1 * (end - begin) + tail
