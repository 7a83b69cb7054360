"""Runs verify in virtual time, after changes by another user."""

import asyncio
import random
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from support.inline_thread import Inline
from support.jobs import Job
from support.mock_transport import MockTransport
from support.virtual_loop import run_virtual
from uploader.jobs.session import Seams
from uploader.storage.checkpoint import Checkpoint
from uploader.verify.corrections import find_corrections
from uploader.verify.judge import Finding
from uploader.verify.run import Report, Verification, find_sources, job_settings


def verify(job: Job, *, stop_after=None, sample=None, source=(), **options) -> tuple[Report, list[Finding]]:
    async def run() -> tuple[Report, list[Finding]]:
        loop = asyncio.get_running_loop()
        loop._jumping.now = job._clock
        checkpoint = Checkpoint.open(Path(f"{job.source}.checkpoint"), read_only=True)
        identity = checkpoint.identity()
        transport = job.transport = MockTransport(job.simulator)
        seams = Seams(
            transport=lambda _: transport,
            offload=lambda _: Inline(),
            random_number=random.Random(1).random,
            wall_clock=lambda: datetime.fromtimestamp(job.simulator.wall(loop.time()), UTC),
        )
        settings = job_settings(
            identity,
            checkpoint,
            sources=find_sources(identity, checkpoint, source),
            token="test-token",
            **options,
        )
        stack = ExitStack()
        corrections, job.left_out = find_corrections(checkpoint, stack, token="test-token")
        verification = Verification(settings, checkpoint, seams, sample=sample, corrections=corrections)
        if stop_after is not None:
            loop.call_later(stop_after, verification.ending.stop, 2)
        try:
            report = await verification.run()
            job.link_findings = [one for _, one in verification.links.findings()] if report.links else []
            return report, [finding for _, _, finding in verification.file.findings()]
        finally:
            verification.file.close()
            stack.close()
            checkpoint.close()
            job._clock = loop.time()

    return run_virtual(run())


def counts(report: Report) -> dict[str, int]:
    return {verdict.value: count for verdict, count in report.counts.items() if count}


def link_counts(report: Report) -> dict[str, int]:
    assert report.links is not None
    return {verdict.value: count for verdict, count in report.links.counts.items() if count}


def change_records(job: Job, update=(), archive=()) -> None:
    job.simulator.change_records(job._clock, update, archive)
