"""Rows are made beside the loop, or on it where that takes less than a change of threads."""

import gzip

import pytest
from hub_transport import HubTransport, make_hub
from jobs import Job, contacts, write_csv
from virtual_loop import run_virtual

from uploader.core.mounts import is_at_hand
from uploader.core.repeats import OnDuplicate
from uploader.core.summary import Summary
from uploader.edges.background import Inline
from uploader.edges.places import look_at
from uploader.run.pipeline import Run, Seams

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
    job = Job(source, make_hub(quota="none"), options)
    offloads = {name: Counted() for name in ("reader", "writer")}
    seams = Seams(transport=lambda _: HubTransport(job.hub), offload=offloads.__getitem__)

    async def run() -> Summary:
        return await Run(job.settings(), seams).run()

    summary = run_virtual(run())
    assert summary.exit_code == 0
    job.check(rows, summary)
    return offloads["reader"].calls


def test_plain_rows_of_a_file_are_made_on_the_loop_after_the_first_slice(tmp_path):
    if not is_at_hand(look_at(tmp_path / "contacts.csv")[1]):
        pytest.skip("the file system here is none that is known to be this machine's own")
    assert slices_made_aside(tmp_path, contacts(5_000)) < SLICES


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("contacts.csv.gz", {}),  # unpacking takes its time
        ("contacts.csv", {"skip_unchanged": True}),  # what is read first goes the longer way
        ("contacts.csv", {"on_duplicate": OnDuplicate.FIRST}),
    ],
)
def test_all_others_are_made_beside_it(tmp_path, name, options):
    assert slices_made_aside(tmp_path, contacts(5_000), name, **options) >= SLICES


def test_rows_whose_keys_repeat_at_once_are_made_beside_it(tmp_path):
    rows = [{"email": f"c{i - i % 2}@example.com", "firstname": f"F{i}"} for i in range(5_000)]
    assert slices_made_aside(tmp_path, rows) >= SLICES
