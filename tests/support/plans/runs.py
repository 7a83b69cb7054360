"""Runs plans of three steps against the mock server's logic, in virtual time."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.jobs import write_csv
from support.model.running import KillableCheckpoint, KillableTransport, KillableWriter, Killed
from support.virtual_loop import run_virtual
from uploader.canary.assessment import Review
from uploader.check.report import Report
from uploader.check.run import Check
from uploader.errors import StorageError
from uploader.hubspot.account import Account
from uploader.jobs.session import Seams
from uploader.jobs.summary import Summary
from uploader.jobs.upload import Run
from uploader.mockserver.simulator import Simulator
from uploader.plans.ending import PlanEnd
from uploader.plans.other_files import LinksInPlan
from uploader.plans.run import PlanRun, Step
from uploader.settings import Settings

NAMES = ("companies", "contacts", "deals")


@dataclass
class Watched:
    """A watcher that notes what happens; `answer`: whether it lets the plan write."""

    answer: bool = True
    checked_steps: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  #: the account of each question
    ran_steps: list[int] = field(default_factory=list)
    stop_at: int | None = None  #: the step that is interrupted when it begins
    plan: PlanRun | None = None
    links: Sequence[LinksInPlan] = ()

    async def checking(self, number: int, check: Check) -> None:
        """Nothing is shown."""

    async def checked(self, number: int, report: Report | None) -> None:
        self.checked_steps.append(number)

    async def may_write(self, account: Account, reports: Sequence[tuple[Step, Report]]) -> bool:
        self.asked.append(account.portal)
        return self.answer

    async def compared(self, found: Sequence[LinksInPlan]) -> None:
        self.links = found

    async def running(self, number: int, run: Run, *, are_rows_done: bool) -> None:
        if number == self.stop_at:
            assert self.plan is not None
            self.plan.stop(2)

    async def ran(self, number: int, run: Run, summary: Summary | None) -> None:
        self.ran_steps.append(number)

    async def judge(self, review: Review) -> bool:
        return False


@dataclass
class Plan:
    """Three files, and the runs of their plan."""

    folder: Path
    simulator: Simulator
    rows: int = 60
    options: dict[str, dict[str, Any]] = field(default_factory=dict)  #: of a step, by its name
    watched: Watched = field(default_factory=Watched)  #: of the last run
    transport: Any = None
    clock: float = 0.0

    def write(self) -> None:
        for name in NAMES:
            rows = [{"external_id": f"{name}{i}", **_more(name, i)} for i in range(self.rows)]
            write_csv(self.source(name), rows)

    def source(self, name: str) -> Path:
        return self.folder / f"{name}.csv"

    @property
    def path(self) -> Path:
        return self.folder / "plan.toml"

    @property
    def record(self) -> Path:
        return self.folder / "plan.toml.record.json"

    def steps(self, **options: Any) -> list[Step]:
        found = []
        for name in NAMES:
            values = {
                "sources": (str(self.source(name)),),
                "token": "test-token",
                "object_type": name,
                "match": ("external_id",),
                **self.options.get(name, {}),
                **options,
            }
            found.append(Step(name, Settings(**values)))
        return found

    def run(self, watched: Watched | None = None, **options: Any) -> PlanEnd:
        """One invocation in a virtual loop of its own, ten records a request."""
        end = self.run_killed(None, watched, **options)
        assert isinstance(end, PlanEnd)
        return end

    def run_killed(
        self, kill_after: float | None, watched: Watched | None = None, **options: Any
    ) -> PlanEnd | None:
        """The same, killed after so many seconds; None where it was killed."""
        killed = KillableCheckpoint.killed = Killed()

        async def run() -> PlanEnd | None:
            loop: Any = asyncio.get_running_loop()
            loop._jumping.now = self.clock
            seams = Seams(
                transport=lambda _: self.transport or KillableTransport(self.simulator, killed),
                offload=lambda _: KillableWriter(killed),
                random_number=random.Random(1).random,
                wall_clock=lambda: datetime.fromtimestamp(self.simulator.wall(loop.time()), UTC),
                batch_records=10,
            )
            self.watched = watched or Watched()
            plan = self.watched.plan = PlanRun(self.path, self.steps(**options), self.watched, seams)

            def strike() -> None:
                killed.is_dead = True
                plan.stop(9)
                plan.stop(9)

            if kill_after is not None:
                loop.call_later(kill_after, strike)
            try:
                end = await plan.run()
            except StorageError:
                if not killed.is_dead:
                    raise
            finally:
                self.clock = loop.time()
            return None if killed.is_dead else end

        end: PlanEnd | None = run_virtual(run())
        return end

    def held(self, name: str) -> int:
        return sum(
            bool(one["properties"].get("external_id")) for one in self.simulator.objects(self.clock, name)
        )

    def upserts(self) -> list[str]:
        """The object type of each upsert, in order."""
        paths = [one.path for one in self.simulator.statistics.log if one.path.endswith("/batch/upsert")]
        return [path.split("/")[-3] for path in paths]


def _more(name: str, i: int) -> dict[str, str]:
    return (
        {"email": f"c{i}@example.com"}
        if name == "contacts"
        else {"dealname" if name == "deals" else "name": f"N{i}"}
    )
