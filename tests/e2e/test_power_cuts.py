"""A power cut: what was written and not flushed is lost. Nothing that was committed may be among it."""

import csv
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from support.processes import end, environment, holding, run, start_python, wait_until
from uploader.cli.commands.status import read_summary
from uploader.errors import CheckpointError

COMPILER = shutil.which("gcc") or shutil.which("cc")
pytestmark = pytest.mark.skipif(
    COMPILER is None or not Path("/proc/self/fd").exists(), reason="needs a C compiler, and Linux"
)
ROWS = [{"email": f"c{i}@example.com", "firstname": f"F{i}"} for i in range(2_500)]
SEEDED = [{"email": f"c{i}@example.com", "firstname": f"Old {i}"} for i in range(0, 2_500, 3)]


@pytest.fixture(scope="session")
def lossy_disk(tmp_path_factory) -> Path:
    library = tmp_path_factory.mktemp("lossy") / "lossy_disk.so"
    source = Path(__file__).parent / "fixtures" / "lossy_disk.c"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def write_source(folder: Path) -> None:
    with (folder / "contacts.csv").open("w", newline="") as file:
        lines = csv.DictWriter(file, ["email", "firstname"])
        lines.writeheader()
        lines.writerows(ROWS)


def settled(folder: Path) -> int:
    """What any other process can read."""
    try:
        return read_summary(folder / "contacts.csv.checkpoint").tallies.settled
    except CheckpointError:
        return 0


def held(mock) -> dict[str, str]:
    return {
        one["properties"]["email"]: one["properties"]["firstname"]
        for one in mock.contacts()
        if not one["archived"]
    }


@pytest.mark.parametrize(
    ("least", "file_system"),
    [
        pytest.param(300, "ext4", marks=pytest.mark.soak),
        (1_200, "ext4"),
        pytest.param(1_200, "nfs4", marks=pytest.mark.soak),
        pytest.param(len(ROWS), "ext4", marks=pytest.mark.soak),
    ],
    ids=["early", "half-way", "half-way, on a network", "at the end"],
)
def test_what_was_committed_survives_a_power_cut(tmp_path, hubspot_mock, lossy_disk, least, file_system):
    """The job goes on with what is left, each row stands once in the results, and all of it can be undone."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    write_source(before)
    write_source(after)
    mock = hubspot_mock(latency_seconds=0.1)
    mock.reset([{"properties": one} for one in SEEDED])
    account = held(mock)
    command = ("upload", "contacts.csv", "--snapshot", "--yes", "--json", "--base-url", mock.url)
    (tmp_path / "boot_id").write_text("the boot before the cut")
    mounts = f"1 0 8:1 / / rw - ext4 /dev/vda rw\n2 1 0:40 / {before} rw - {file_system} host:/share rw\n"
    (tmp_path / "mountinfo").write_text(mounts)
    lossy = {
        "LD_PRELOAD": lossy_disk,
        "LOSSY_FOLDER": before,
        "LOSSY_KEPT": after,
        "LOSSY_BOOT_ID": tmp_path / "boot_id",
        "LOSSY_MOUNTINFO": tmp_path / "mountinfo",
    }
    if least < len(ROWS):
        mock.change_scenario(holding(least // 100 + 8))
    process = start_python(
        *command, cwd=before, env=environment(**{name: str(path) for name, path in lossy.items()})
    )
    if least < len(ROWS):
        wait_until(lambda: settled(before) >= least, process)
        process.send_signal(signal.SIGSTOP)  # the cut: nothing is written any more
    else:
        process.wait(120)
    reported = settled(before)
    assert not list(before.glob("*-wal")) or file_system == "ext4"
    process.kill()
    end(process)
    mock.change_scenario({})
    assert least <= reported
    assert settled(after) >= reported, "what others were told as committed is lost"
    ended = run(*command, cwd=after)
    assert ended.code == 0, ended
    assert (ended.summary["state"], ended.summary["open"]) == ("complete", 0)
    with (after / "contacts.csv.results.csv").open(newline="") as file:
        rows = [int(line["row"]) for line in csv.DictReader(file)]
    assert sorted(rows) == list(range(2, len(ROWS) + 2))
    assert held(mock) == {one["email"]: one["firstname"] for one in ROWS}
    mock.change_quota("100000/10")  # nothing is to be learned from a wait for the next window
    undone = run("undo", "contacts.csv.checkpoint", "--yes", "--json", "--base-url", mock.url, cwd=after)
    assert undone.code == 0, undone
    assert held(mock) == account
