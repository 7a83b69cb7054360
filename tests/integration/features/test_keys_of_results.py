"""The keys of most rows, as the results file of a job has them."""

from contextlib import closing
from pathlib import Path

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from uploader.cli.commands.report import render
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.keys_of_results import most_repeated_keys


def test_the_keys_of_most_rows_are_counted_and_shown_only_with_values(tmp_path):
    rows = [*contacts(50), *({"email": f"C{n % 2}@example.com"} for n in range(10))]
    source = write_csv(tmp_path / "contacts.csv", rows)
    Job(source, make_simulator(quota="none")).run_virtual()
    checkpoint = Path(f"{source}.checkpoint")
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
        found = most_repeated_keys(checkpoint, opened)
    assert sorted((one.value, one.rows) for one in found) == [("c0@example.com", 6), ("c1@example.com", 6)]
    page = render(checkpoint).decode()
    assert "Keys of several rows" in page
    assert "c0@example.com" not in page
    assert "c0@example.com" in render(checkpoint, with_values=True).decode()
    results = tmp_path / "contacts.csv.results.csv"
    results.write_text(results.read_text().replace("c0@", "x0@"))
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
        assert most_repeated_keys(checkpoint, opened) == []
