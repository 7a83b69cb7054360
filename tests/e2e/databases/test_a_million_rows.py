"""A million rows of a database: killed half-way and resumed, in bounded memory."""

import re
import signal
from pathlib import Path

import pytest

from support.databases.customers import customer, write_sqlite
from support.databases.postgres_server import NOT_INSTALLED, fill_customers, find_programs, serving
from support.processes import start_python, wait_until
from uploader.cli.commands.status import read_summary

ROWS = 1_000_000
MOST_MB = 120
_RESULT_BYTES = 130  # of a row in the results file, about


def peak_mb(process):
    """The most memory that a process has held; 0 if it has ended."""
    try:
        text = Path(f"/proc/{process.pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(r"VmHWM:\s*(\d+) kB", text)
    return int(found[1]) // 1024 if found else 0


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def url(request, tmp_path):
    """The URL of a table with a million rows."""
    if request.param == "SQLite":
        yield write_sqlite(tmp_path / "crm.db", ROWS)
        return
    programs = find_programs()
    if programs is None:
        pytest.skip(NOT_INSTALLED)
    with serving(programs) as folder:
        yield fill_customers(folder, ROWS)


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks of memory are read from /proc")
def test_killed_half_way_a_million_rows_end_the_same(tmp_path, hubspot_mock, url, record_property):
    mock = hubspot_mock(quota="1000000/10", latency_seconds=0.01)
    checkpoint, results = tmp_path / "job.checkpoint", tmp_path / "results.csv"
    command = ("upload", url, "--ignore", "id", "--base-url", mock.url, "--json")
    command += ("--checkpoint", checkpoint, "--results", results)
    peaks = []

    def watch(process, until):
        """Wait for an event; note the peak of memory on the way to it."""
        peaks.append(0)

        def happened():
            peaks[-1] = max(peaks[-1], peak_mb(process))
            return until()

        wait_until(happened)

    process = start_python(*command, cwd=tmp_path)
    watch(process, lambda: results.exists() and results.stat().st_size > ROWS * _RESULT_BYTES // 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert ROWS // 4 < read_summary(checkpoint).tallies.settled < ROWS - 1_000
    process = start_python(*command, cwd=tmp_path)
    watch(process, lambda: process.poll() is not None)
    _, err = process.communicate()
    assert process.returncode == 0, err
    summary = read_summary(checkpoint)
    assert (summary.tallies.rows, summary.tallies.open) == (ROWS, 0)
    assert {c["properties"]["email"]: c["properties"]["firstname"] for c in mock.contacts()} == {
        email: name for _, email, name in map(customer, range(1, ROWS + 1))
    }
    assert mock.stats()["records_received"] < ROWS + 50_000
    record_property("peaks_mb", peaks)
    assert 0 < max(peaks) < MOST_MB
