"""Runs check in virtual time."""

import asyncio
import random
from datetime import UTC, datetime

from support.inline_thread import Inline
from support.jobs import Job
from support.mock_transport import MockTransport
from support.virtual_loop import run_virtual
from uploader.check.report import Report
from uploader.check.run import Check
from uploader.jobs.session import Seams


def check(
    job: Job, *, stop_after=None, drafts=False, drafts_properties=False, sample=None, **options
) -> Report:
    """The report, in a loop of virtual time of its own."""

    async def run():
        loop = asyncio.get_running_loop()
        loop._jumping.now = getattr(job, "_clock", 0.0)
        transport = job.transport = MockTransport(job.simulator)
        seams = Seams(
            transport=lambda _: transport,
            offload=lambda _: Inline(),
            random_number=random.Random(1).random,
            wall_clock=lambda: datetime.fromtimestamp(job.simulator.wall(loop.time()), UTC),
        )
        one = Check(
            job.settings(write_results=False, **options),
            seams,
            sample=sample,
            drafts=drafts,
            drafts_properties=drafts_properties,
        )
        if stop_after is not None:
            loop.call_later(stop_after, one.ending.stop, 2)
        try:
            return await one.run()
        finally:
            job._clock = loop.time()
            assert asyncio.all_tasks() == {asyncio.current_task()}

    return run_virtual(run())
