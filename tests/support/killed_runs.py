"""Runs a job whose process is killed during an upsert."""

import asyncio
import random
from datetime import UTC, datetime

import orjson

from support.jobs import Job
from support.model.running import KillableTransport, KillableWriter, Killed
from support.virtual_loop import run_virtual
from uploader.errors import StorageError
from uploader.jobs.session import Seams
from uploader.jobs.upload import Run


class KilledDuringUpsert(KillableTransport):
    """A transport whose process is killed during an upsert, which the server `applies` or not."""

    def __init__(self, simulator, killed: Killed, *, at_upsert: int, applies: bool) -> None:
        super().__init__(simulator, killed)
        self.at_upsert = at_upsert
        self.applies = applies
        self.strike = lambda: None
        self.left: set[str] = set()  #: keys of the rows that were sent and not answered

    async def _answer(self, call, loop):
        if not call.path.endswith("/batch/upsert"):
            return await super()._answer(call, loop)
        self.at_upsert -= 1
        if self.at_upsert > 0:
            return await super()._answer(call, loop)
        self.left |= {one["id"] for one in orjson.loads(call.body)["inputs"]}
        if self.applies:
            await super()._answer(call, loop)
        self.strike()
        return await loop.create_future()


def killed(job: Job, *, at_upsert: int = 4, applies: bool = True) -> set[str]:
    """Run a job until it is killed; the keys of the rows that were sent and not answered."""
    doomed = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop._jumping.now = getattr(job, "_clock", 0.0)
        killed = Killed()
        transport = KilledDuringUpsert(job.simulator, killed, at_upsert=at_upsert, applies=applies)
        doomed.append(transport)
        seams = Seams(
            transport=lambda _: transport,
            offload=lambda _: KillableWriter(killed),
            random_number=random.Random(1).random,
            wall_clock=lambda: datetime.fromtimestamp(job.simulator.wall(loop.time()), UTC),
            batch_records=10,
        )
        run = Run(job.settings(), seams)

        def strike() -> None:
            killed.is_dead = True
            run.stop(9)
            run.stop(9)

        transport.strike = strike
        try:
            await run.run()
        except StorageError:
            assert killed.is_dead
        finally:
            job._clock = loop.time()

    run_virtual(run())
    return doomed[0].left
