"""Rows are made beside the loop, or on it where that takes less than a change of threads."""

import asyncio
import gzip
import threading

import pytest

from support.inline_thread import Inline
from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.programs import options, seams_to
from support.virtual_loop import run_virtual
from uploader import Uploader
from uploader.jobs.session import Seams
from uploader.jobs.summary import Summary
from uploader.jobs.upload import Run
from uploader.records.duplicates import OnDuplicate
from uploader.sources.bytes.local import FileOrigin
from uploader.system import filesystem_of_path
from uploader.system.filesystem_of_path import filesystem_type
from uploader.system.mounts import is_local

SLICES = 10


class Counted(Inline):
    """How often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    async def run(self, call):
        self.calls += 1
        return await super().run(call)


def slices_made_aside(folder, rows, name="contacts.csv", **options: object) -> int:
    """How often the reader's thread was asked, in a job of which all is confirmed: once a slice it makes,
    and a few times else.
    """
    source = write_csv(folder / "contacts.csv", rows)
    if name.endswith(".gz"):
        packed = gzip.compress(source.read_bytes())
        source = folder / name
        source.write_bytes(packed)
    job = Job(source, make_simulator(quota="none"), options)
    offloads = {name: Counted() for name in ("reader", "writer")}
    seams = Seams(transport=lambda _: MockTransport(job.simulator), offload=offloads.__getitem__)

    async def run() -> Summary:
        return await Run(job.settings(), seams).run()

    summary = run_virtual(run())
    assert summary.exit_code == 0
    job.check(rows, summary)
    return offloads["reader"].calls


def test_rows_of_a_file_are_made_on_the_loop_after_the_first_slice(tmp_path):
    if not is_local(filesystem_type(tmp_path)):
        pytest.skip("the file system here is none that is known to be this machine's own")
    assert slices_made_aside(tmp_path, contacts(5_000)) < SLICES


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("contacts.csv.gz", {}),  # unpacking takes its time
        ("contacts.csv", {"on_duplicate": OnDuplicate.FIRST}),
    ],
)
def test_rows_that_keep_us_waiting_are_made_in_a_thread(tmp_path, name, options):
    assert slices_made_aside(tmp_path, contacts(5_000), name, **options) >= SLICES


def test_a_source_that_may_keep_us_waiting_is_read_beside_the_loop_also_behind_one_that_does_not(tmp_path):
    """The slice after a file's last one is of the next source, whose rows another program may be making."""
    threads = set()

    def rows():
        for number in range(400):
            threads.add(threading.current_thread())
            yield {"email": f"given{number}@example.com", "firstname": "x" * 3_000}

    async def run():
        source = write_csv(tmp_path / "contacts.csv", contacts(1_000))
        seams = seams_to(make_simulator(quota="190/10"), threads=True)
        async with Uploader(**options(tmp_path), yes=True, seams=seams) as job:
            assert len([outcome async for outcome in job.run(source, rows())]) == 1_400

    asyncio.run(run())
    assert threads
    assert threading.main_thread() not in threads


def test_a_link_is_as_near_as_what_it_leads_to(tmp_path, monkeypatch):
    far, near = tmp_path / "far", tmp_path / "near"
    for folder in (far, near):
        folder.mkdir()
    table = tmp_path / "mountinfo"
    table.write_text(
        f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:50 / {far} rw - nfs4 server:/share rw\n"
        f"3 1 0:51 / {near / 'bound.csv'} rw - cifs //server/share rw\n"
    )
    monkeypatch.setattr(filesystem_of_path, "MOUNTINFO", table)
    for path in (far / "far.csv", near / "near.csv", near / "bound.csv"):
        write_csv(path, contacts(1))
    (near / "link.csv").symlink_to(far / "far.csv")
    found = {
        path.name: FileOrigin(str(path), path.stat().st_size).is_local
        for path in (far / "far.csv", *near.iterdir())
    }
    assert found == {"far.csv": False, "near.csv": True, "bound.csv": False, "link.csv": False}
