"""Kills the process of a job just before or just after one of the commits of its files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from support.jobs import Job
from support.model.running import KillableTransport, KillableWriter, Killed
from uploader.errors import UploaderError
from uploader.jobs.summary import Summary
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.list_file import ListFile


class Kill:
    """Kills the process at one commit, and counts them."""

    def __init__(self, at: int = -1, *, is_before: bool = False) -> None:
        """`at`: the number of the commit, from 0; -1 for none."""
        self.commits = 0
        self.process = Killed()
        self._at = at
        self._is_before = is_before

    def begin(self) -> None:
        """Called before each commit."""
        self.process.check()
        self._strike(is_before=True)

    def end(self) -> None:
        """Called after each commit."""
        self._strike(is_before=False)
        self.commits += 1

    def _strike(self, *, is_before: bool) -> None:
        if (self.commits, self._is_before) == (self._at, is_before):
            self._at = -1
            self.process.is_dead = True
            self.process.check()


def run_with_kill(
    make: Callable[[], Job], kill: Kill, steps: Sequence[Mapping[str, Any]]
) -> tuple[Job, Summary]:
    """Run a job, an invocation for each of `steps`, which are their settings; the one with the kill twice."""
    with pytest.MonkeyPatch.context() as patch:
        _let_commits_pass(patch, kill)
        job = make()
        for options in steps:
            summary = _run(job, kill, options)
            if kill.process.is_dead:
                kill.process = Killed()
                summary = _run(job, kill, options)
    assert summary is not None
    return job, summary


def _run(job: Job, kill: Kill, options: Mapping[str, Any]) -> Summary | None:
    job.make_transport = lambda simulator, **_: KillableTransport(simulator, kill.process)  # type: ignore[assignment]
    job.offload = lambda _: KillableWriter(kill.process)
    try:
        return job.run_virtual(**options)
    except UploaderError:
        assert kill.process.is_dead
        return None


def _let_commits_pass(patch: pytest.MonkeyPatch, kill: Kill) -> None:
    """Let all that a job with links or a list commits pass `kill`."""

    def killable(method: Callable[..., None]) -> Callable[..., None]:
        def commit(*arguments: Any, **named: Any) -> None:
            kill.begin()
            method(*arguments, **named)
            kill.end()

        return commit

    def killable_transaction(transaction: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def whole(file: Any) -> Iterator[Any]:
            with transaction(file) as connection:
                yield connection
                kill.begin()
            kill.end()

        return whole

    for name in ("commit", "note_links_file", "note_repeated_options"):
        patch.setattr(Checkpoint, name, killable(getattr(Checkpoint, name)))
    for kind in (AssociationsFile, ListFile):
        patch.setattr(kind, "_transaction", killable_transaction(kind._transaction))
