"""Runs jobs in tests, and checks each against an oracle.

The oracle: the account ends as if the rows had been applied one at a time in file order, less those that
were rejected, invalid or skipped (abandoned and pending ones are optional), and the tallies add up.
"""

import asyncio
import csv
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.inline_thread import Inline
from support.mock_transport import MockTransport, make_simulator
from support.virtual_loop import run_virtual
from uploader.canary.assessment import Review
from uploader.hubspot.account import Account
from uploader.jobs.session import Seams
from uploader.jobs.summary import Summary
from uploader.jobs.upload import Run
from uploader.mockserver.simulator import Simulator
from uploader.settings import Settings
from uploader.storage.checkpoint import Checkpoint
from uploader.system.blocking_calls import Background, Offload

Rows = Sequence[Mapping[str, str]]
#: Outcomes of rows that the account must not have, and of those that it may.
_ABSENT, _UNSURE = {"rejected", "invalid", "skipped"}, {"abandoned", "pending"}


def write_csv(path: Path, rows: Rows, columns: Sequence[str] = ()) -> Path:
    """Write a source of these rows; by default the first row names the columns."""
    names = list(columns or rows[0])
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, names, restval="", lineterminator="\n")
        lines.writeheader()
        lines.writerows(rows)
    return path


def contacts(count: int, **same: str) -> list[dict[str, str]]:
    return [{"email": f"c{i}@example.com", "firstname": f"F{i}", **same} for i in range(count)]


@dataclass
class Job:
    """A source, a simulated account, and the runs that upload the one to the other."""

    source: Path
    simulator: Simulator
    options: dict[str, Any] = field(default_factory=dict)
    transport: MockTransport | None = None
    seed: int = 0
    clock_ahead_seconds: float = 0.0  # of the machine's clock before HubSpot's
    make_transport: Callable[..., MockTransport] = MockTransport
    offload: Callable[[str], Offload] = lambda _: Inline()
    ahead_seconds: float = 0.0  # of the simulator's clock before the loop's, in real time
    batch_records: int = 100  # fewer for tests about requests, which then need fewer rows

    def settings(self, **options: object) -> Settings:
        values = {"sources": (str(self.source),), "token": "test-token", **self.options, **options}
        return Settings(**values)

    async def run(
        self,
        *,
        stop_after: float | None = None,
        again_after: float | None = None,
        on_start: Callable[[Run], object] | None = None,
        on_tick: Callable[[Run], object] | None = None,
        judge: Callable[[Review], Coroutine[Any, Any, bool]] | None = None,
        approve: Callable[[Account, int | None], Coroutine[Any, Any, bool]] | None = None,
        **options: object,
    ) -> Summary:
        """One invocation on the running loop, interrupted after `stop_after` seconds if given.

        `on_start` is called when the pipeline starts, `on_tick` twice a second from then on. `judge` gets the
        canary, `approve` the account.
        """
        transport = self.transport = self.make_transport(self.simulator, ahead_seconds=self.ahead_seconds)
        seams = Seams(
            transport=lambda _: transport,
            offload=self.offload,
            random_number=random.Random(self.seed).random,
            wall_clock=lambda: datetime.fromtimestamp(
                self.simulator.wall(asyncio.get_running_loop().time() + self.ahead_seconds)
                + self.clock_ahead_seconds,
                UTC,
            ),
            batch_records=self.batch_records,
        )
        run = Run(self.settings(**options), seams, judge=judge, approve=approve)
        for after in (stop_after, again_after):
            if after is not None:
                asyncio.get_running_loop().call_later(after, run.stop, 2)
        watcher = asyncio.ensure_future(_watch(run, on_start, on_tick))
        try:
            return await run.run()
        finally:
            watcher.cancel()

    def run_virtual(self, **options: Any) -> Summary:
        """One invocation in a virtual loop of its own. The simulator's clock continues from the last one."""
        return run_virtual(self._shifted(options))

    def run_in_threads(self, **options: Any) -> Summary:
        """One invocation in real time with real threads, for tests of races between them."""

        async def run() -> Summary:
            loop = asyncio.get_running_loop()
            self.ahead_seconds = getattr(self, "_clock", 0.0) - loop.time()
            offload, self.offload = self.offload, Background
            try:
                return await self.run(**options)
            finally:
                self._clock = loop.time() + self.ahead_seconds
                self.offload, self.ahead_seconds = offload, 0.0

        return asyncio.run(run())

    async def _shifted(self, options: dict[str, Any]) -> Summary:
        loop = asyncio.get_running_loop()
        loop._jumping.now = getattr(self, "_clock", 0.0)
        try:
            return await self.run(**options)
        finally:
            self._clock = loop.time()

    def sleep_machine(self, seconds: float) -> None:
        """Simulate that the machine sleeps: wall clocks advance, and the loop's clock does not."""
        self.simulator._epoch += seconds

    # --- the oracle ---

    def check(self, rows: Rows, summary: Summary, key: str = "email") -> None:
        outcomes = self.outcomes()
        assert len(outcomes) == summary.tallies.settled
        self.check_sums(summary, outcomes)
        held = self.held(key)
        # Ordinals, not line numbers: these files have no line breaks in cells.
        by_row = [outcomes.get(number, "open") for number in range(2, len(rows) + 2)]
        wanted, unsure = _applied(rows, by_row, key)
        for name, properties in wanted.items():
            if name in unsure:
                continue
            assert name in held, f"{name} is missing"
            for column, value in properties.items():
                assert held[name].get(column) == value, (name, column, value, held[name].get(column))
        assert held.keys() <= wanted.keys() | unsure, held.keys() - wanted.keys()

    def check_sums(self, summary: Summary, outcomes: Mapping[int, str]) -> None:
        tallies = summary.tallies
        assert tallies.rows == tallies.settled + tallies.open
        for outcome, count in tallies.outcomes.items():
            assert count == sum(1 for found in outcomes.values() if found == outcome.value), outcome

    def outcomes(self) -> dict[int, str]:
        """Row number -> outcome, from the results file. Each row must be there once."""
        found: dict[int, str] = {}
        path = Path(f"{self.source}.results.csv")
        if not path.exists() or not path.stat().st_size:
            return found
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                number = int(line["row"])
                assert number not in found, f"row {number} has two outcomes"
                found[number] = line["outcome"]
        return found

    def held(self, key: str = "email") -> dict[str, dict[str, str]]:
        """The properties of the account's records, by key."""
        return {
            contact["properties"][key].lower(): contact["properties"]
            for contact in self.simulator.objects(1e9, self.options.get("object_type", "contacts"))
            if contact["properties"].get(key)
        }

    def dead_letters(self) -> list[Any]:
        checkpoint = Checkpoint.open(Path(f"{self.source}.checkpoint"), read_only=True)
        try:
            return list(checkpoint.dead_letters())
        finally:
            checkpoint.close()


def job_by_domain(folder: Path, rows: Rows, held: Rows = (), **scenario: Any) -> Job:
    """A job over companies, of an account that has some. Its search lags, unless the scenario says more."""
    rules = {"search_lag_seconds": 20, **scenario.pop("rules", {})}
    simulator = make_simulator(**{"quota": "190/10", "latency_seconds": 0.1, "rules": rules, **scenario})
    simulator.reset(-100_000.0, objects={"companies": [{"properties": dict(one)} for one in held]})
    source = write_csv(folder / "companies.csv", rows)
    return Job(source, simulator, {"id_property": "domain", "object_type": "companies"})


def companies(job: Job) -> list[tuple[str, str]]:
    """Domain and name of all live companies, sorted."""
    live = [one for one in job.simulator.objects(1e9, "companies") if not one["archived"]]
    return sorted((one["properties"].get("domain", ""), one["properties"].get("name", "")) for one in live)


def counts_of(summary: Summary, *names: str) -> tuple[object, ...]:
    found = summary.as_dict()
    return tuple(found[name] for name in names)


async def _watch(run: Run, on_start, on_tick) -> None:
    await run.started.wait()
    if on_start:
        on_start(run)
    while on_tick:
        on_tick(run)
        await asyncio.sleep(0.5)


def _applied(rows: Rows, by_row: Sequence[str], key: str) -> tuple[dict[str, dict[str, str]], set[str]]:
    """An empty account after applying the rows in order, and the keys whose values are uncertain."""
    wanted: dict[str, dict[str, str]] = {}
    unsure: set[str] = set()
    for row, found in zip(rows, by_row, strict=True):
        name = row[key].strip().lower()
        if found in _UNSURE or found == "open":
            unsure.add(name)
        elif found not in _ABSENT:
            values = {column: value.strip() for column, value in row.items() if value.strip()}
            wanted.setdefault(name, {}).update({**values, key: name})
    return wanted, unsure
