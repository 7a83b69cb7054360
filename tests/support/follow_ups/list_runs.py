"""Jobs whose records are put into a list, and what the lists of the account hold."""

from collections import Counter

from support.follow_ups.undone import undone
from support.jobs import Job, Rows, write_csv
from support.mock_transport import make_simulator
from uploader.storage.list_file import ListFile
from uploader.undo.record_list import ListReport, ListUndo, list_settings

NAME = "Migration 2026"


def listing(
    tmp_path, rows: Rows, held: Rows = (), *, lists=(), options=None, quota="none", **scenario
) -> Job:
    """A job with --add-to-list, not run yet. `lists`: of the account, as in a reset of the mock server."""
    job = Job(
        write_csv(tmp_path / "contacts.csv", rows),
        make_simulator(quota=quota, **scenario),
        {"add_to_list": NAME, **(options or {})},
    )
    job.simulator.reset(0.0, [{"properties": dict(one)} for one in held], lists=lists)
    return job


def members(job: Job, name: str = NAME) -> list[str]:
    """The addresses of the members of the account's list of this name; StopIteration if there is none."""
    one = next(one for one in job.simulator.lists(1e9) if one["name"] == name and not one["deleted"])
    addresses = {str(one["id"]): one["properties"]["email"] for one in job.simulator.objects(1e9)}
    return [addresses[member] for member in one["members"]]


def names(job: Job) -> list[str]:
    return [one["name"] for one in job.simulator.lists(1e9) if not one["deleted"]]


def requests(job: Job) -> Counter[str]:
    """The requests of the last invocation, by the last parts of their paths, without ids."""
    assert job.transport is not None
    found = ["/".join(path.partition("?")[0].split("/")[-2:]) for path in job.transport.paths]
    return Counter(found)


def undo_list(job: Job, *, kill_after=None, number="", **options) -> ListReport | None:
    """One invocation of the undo of a job's list; None if it was killed."""
    checkpoint = job.settings().checkpoint_path
    file = ListFile(checkpoint, number)
    assert file.open()
    settings = list_settings(file, checkpoint, token="test-token")
    return undone(job, file, lambda seams: ListUndo(settings, file, seams, **options), kill_after)
