"""A job with links, killed just before and just after each of its commits: the end is as without the kill.

The file of links is committed before the checkpoint, which counts its rows. Both orders of the two, the start
of the pass over links and its end are among the places.
"""

from contextlib import contextmanager

import pytest

from support.jobs import Job
from support.links.runs import PLAIN, PRIMARY, account, check_links, labels, make_job
from support.model.running import KillableTransport, KillableWriter, Killed
from uploader.errors import UploaderError
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint

_COMPANIES = ["A", "B", "C"]
#: Links that two rows ask for, rows that are refused once and for good, an end that is not there.
_ROWS = [
    {"email": "a@x.com", "account": "A", "main": ""},
    {"email": "once@x.com", "account": "A", "main": "B"},
    {"email": "never@x.com", "account": "B", "main": ""},
    {"email": "a@x.com", "account": "A", "main": "B"},
    {"email": "once@x.com", "account": "A", "main": "B"},
    {"email": "late@x.com", "account": "B", "main": "gone"},
]
_FAULTS = [
    {"kind": "reject", "keys": ["never@x.com"]},
    *({"kind": "reject", "keys": [one], "times": 1} for one in ("once@x.com", "late@x.com")),
]


class _Kill:
    """Kills the process at one commit, and counts them."""

    def __init__(self, at: int = -1, *, is_before: bool = False) -> None:
        self.at = at
        self.is_before = is_before
        self.commits = 0
        self.process = Killed()

    def begin(self) -> None:
        self.process.check()
        self._strike(is_before=True)

    def end(self) -> None:
        self._strike(is_before=False)
        self.commits += 1

    def _strike(self, *, is_before: bool) -> None:
        if (self.commits, self.is_before) == (self.at, is_before):
            self.at = -1
            self.process.is_dead = True
            self.process.check()


def _kill_in_commits(patch: pytest.MonkeyPatch, kill: _Kill) -> None:
    """All that a job with links commits passes `kill`."""

    def killable(method):
        def commit(self, *arguments, **named):
            kill.begin()
            method(self, *arguments, **named)
            kill.end()

        return commit

    for name in ("commit", "note_links_file", "note_repeated_options"):
        patch.setattr(Checkpoint, name, killable(getattr(Checkpoint, name)))
    transaction = AssociationsFile._transaction

    @contextmanager
    def killable_transaction(self):
        with transaction(self) as connection:
            yield connection
            kill.begin()
        kill.end()

    patch.setattr(AssociationsFile, "_transaction", killable_transaction)


def _job(folder, **options) -> Job:
    folder.mkdir()
    simulator = account(_COMPANIES, ["a@x.com"], [("a@x.com", "C", "")], faults=_FAULTS)
    job = make_job(folder / "a.csv", _ROWS, simulator, [PLAIN, PRIMARY], **options)
    job.batch_records = 4
    return job


def _run(job, kill, **options):
    """One process; None if it was killed."""
    job.make_transport = lambda simulator, ahead_seconds: KillableTransport(simulator, kill.process)
    job.offload = lambda _: KillableWriter(kill.process)
    try:
        return job.run_virtual(**options)
    except UploaderError:
        assert kill.process.is_dead
        return None


#: The settings of each invocation.
_AT_ONCE, _IN_TWO_PARTS = [{}], [{"limit": 2}, {}]


def _end(folder, kill, steps):
    """Run all steps, the one with the kill twice. Returns the job and its end."""
    with pytest.MonkeyPatch.context() as patch:
        _kill_in_commits(patch, kill)
        job = _job(folder)
        before = labels(job.simulator)
        for options in steps:
            summary = _run(job, kill, **options)
            if kill.process.is_dead:
                kill.process = Killed()
                summary = _run(job, kill, **options)
    return job, before, summary


@pytest.mark.parametrize("is_before", [True, False], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize(
    "steps", [_AT_ONCE, pytest.param(_IN_TWO_PARTS, marks=pytest.mark.soak)], ids=["at once", "in two parts"]
)
def test_every_link_has_its_outcome_at_whatever_commit_the_process_is_killed(tmp_path, steps, is_before):
    without = _Kill()
    _end(tmp_path / "none", without, steps)
    assert without.commits > 10
    for at in range(without.commits):
        job, before, summary = _end(tmp_path / str(at), _Kill(at, is_before=is_before), steps)
        assert (at, summary.state) == (at, "complete")
        try:
            check_links(job, _ROWS, summary, before, _COMPANIES)
        except AssertionError as error:
            raise AssertionError(f"killed at commit {at}: {error}") from error
