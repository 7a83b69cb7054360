"""Runs the undo of what followed the rows of a job, in virtual time, with a kill if wanted."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from support.jobs import Job
from support.model.running import KillableTransport, KillableWriter, Killed
from support.virtual_loop import run_virtual
from uploader.errors import StorageError
from uploader.jobs.session import Seams


def undone(job: Job, file: Any, make: Callable[[Seams], Any], kill_after: float | None) -> Any:
    """The report of the undo that is made for these seams; None if it was killed. The file is closed."""

    async def run() -> Any:
        loop = asyncio.get_running_loop()
        loop._jumping.now = job._clock
        killed = Killed()
        transport = job.transport = KillableTransport(job.simulator, killed)
        undoing = make(
            Seams(
                transport=lambda _: transport,
                offload=lambda _: KillableWriter(killed),
                random_number=random.Random(job.seed).random,
                wall_clock=lambda: datetime.fromtimestamp(job.simulator.wall(loop.time()), UTC),
            )
        )

        def strike() -> None:
            killed.is_dead = True
            undoing.ending.stop(9)
            undoing.ending.stop(9)

        if kill_after is not None:
            loop.call_later(kill_after, strike)
        try:
            report = await undoing.run()
        except StorageError:
            assert killed.is_dead
            return None
        finally:
            file.close()
            job._clock = loop.time()
        return None if killed.is_dead else report

    return run_virtual(run())
