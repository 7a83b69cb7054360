"""What a record costs, in CPU and in time: the uploader beside what would be run in its place.

Lives here: who takes part, one turn of each after the other on one echoing server, and the demands on the
ratios. How each sends stands in `cost_contenders`; what a size or a start costs is asked elsewhere.

CPU is that of the whole process, user and system, as the kernel counts it: that is what a user pays. Where
fewer records were sent than `NOMINAL_ROWS`, the start, measured with a hundred records, is counted as if it
were spread over so many; where as many were, nothing is reckoned. Records a second are the server's word:
from the arrival of the first batch to the answer to the last. Of who reads all before sending any, that would
be half of the work: there it is the whole run less the start.
"""

import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.support.make_records import make
from benchmarks.support.processes import EchoServer, Failed, Load, Spent, Table, aligned, forget, spend

NOMINAL_ROWS = 400_000
START_ROWS, STARTS = 100, 3
#: More than anybody reaches; a short window, as a server that names none has a start wait for one.
RATE = "100000/1"

MOST_CPU, LEAST_SPEED = 0.60, 1.5  # of the plain loop's
LEAST_OVER_OFFICIAL = 25.0
MOST_WITH_FILES = 1.10
#: Beyond this the figures would be the server's.
MOST_BUSY = 0.90

MEMORY_FOLDER = Path("/dev/shm")
HEADINGS = (
    "",
    "records sent",
    "records/s",
    "CPU us/record",
    "start, CPU s",
    "whole run, s",
    "server busy",
)


@dataclass(frozen=True, slots=True)
class Contender:
    title: str
    form: str = "ndjson"  #: of its source
    loop: str = ""  #: in `cost_contenders`; the uploader has none
    keeps_files: bool = True  #: of the uploader: checkpoint on the disk, results file
    scale: float = 1.0  #: sends so much of the records: the slow ones' cost shows in fewer, too
    every_round: bool = True  #: also where time is short
    reads_all_first: bool = False

    @property
    def is_ours(self) -> bool:
        return not self.loop


OURS, OURS_CSV = Contender("uploader, NDJSON"), Contender("uploader, CSV", "csv")
BARE = Contender("uploader, NDJSON, no files", keeps_files=False)
BARE_CSV = Contender("uploader, CSV, no files", "csv", keeps_files=False, every_round=False)
PLAIN = Contender("plain loop, NDJSON", loop="plain")
PLAIN_CSV = Contender("plain loop, CSV", "csv", "plain")
HTTPX = Contender("the same loop on httpx", loop="httpx", every_round=False)
OFFICIAL = Contender("official client, 8 threads", loop="official", scale=0.2, every_round=False)
DLT = Contender("dlt, custom destination", loop="dlt", scale=0.4, every_round=False, reads_all_first=True)
CEILING = Contender("ceiling: aiohttp, one ready-made body", loop="ceiling", every_round=False)
#: In the order of their turns. What is compared stands side by side.
CONTENDERS = (OURS, PLAIN, BARE, OURS_CSV, PLAIN_CSV, BARE_CSV, HTTPX, OFFICIAL, DLT, CEILING)
PAIRS = {"NDJSON": (OURS, PLAIN), "CSV": (OURS_CSV, PLAIN_CSV)}
BOOKS = {"NDJSON": (OURS, BARE), "CSV": (OURS_CSV, BARE_CSV)}


@dataclass(frozen=True, slots=True)
class Turn:
    """One process of one contender."""

    rows: int
    spent: Spent
    load: Load


@dataclass(slots=True)
class Costs:
    """All turns of one contender. `turns[i]` are neighbours in time of the others' `turns[i]`."""

    contender: Contender
    start: Spent
    turns: list[Turn] = field(default_factory=list)

    @property
    def us_per_record(self) -> list[float]:
        return [us_per_record(turn.spent, turn.rows, self.start) for turn in self.turns]

    @property
    def records_per_second(self) -> list[float]:
        if self.contender.reads_all_first:
            before = self.start.wall_seconds
            return [turn.rows / (turn.spent.wall_seconds - before) for turn in self.turns]
        return [turn.load.records_per_second for turn in self.turns]

    @property
    def busy_share(self) -> float:
        """Of the server, at most."""
        return max(turn.load.busy_share for turn in self.turns)


Measured = dict[Contender, Costs]


def us_per_record(spent: Spent, rows: int, start: Spent) -> float:
    """CPU. `start` is what a run of next to no records costs; it matters where there are few."""
    cpu, start_cpu = spent.cpu_seconds, start.cpu_seconds
    if rows < NOMINAL_ROWS:
        cpu += start_cpu * (rows / NOMINAL_ROWS - 1)
    return 1e6 * cpu / rows


# --- the turns ---


@dataclass(frozen=True, slots=True)
class Field:
    """Where the turns are taken."""

    folder: Path
    server: EchoServer
    bare: Sequence[str]  #: arguments that leave out the uploader's files

    def take_turn(self, contender: Contender, rows: int, stem: str) -> Turn:
        source = self.folder / f"{stem}.{contender.form}"
        forget(source)
        command = self._our_command(contender, source) if contender.is_ours else []
        command = command or [
            "benchmarks.support.cost_contenders",
            contender.loop,
            self.server.url,
            source,
            "--rows",
            rows,
        ]
        self.server.forget()
        spent = spend([sys.executable, "-m", *map(str, command)], self.folder / "contenders.log")
        load = self.server.load()
        if load.records != rows:
            raise Failed(f"{contender.title} sent {load.records:,} records, expected {rows:,}")
        return Turn(rows, spent, load)

    def _our_command(self, contender: Contender, source: Path) -> list[object]:
        arguments = [] if contender.keeps_files else [*self.bare, "--restart"]
        return [
            "uploader",
            "upload",
            source,
            "--base-url",
            self.server.url,
            "--rate",
            RATE,
            "--json",
            *arguments,
        ]


def measure(folder: Path, rows: int, rounds: int, *, is_quick: bool) -> Measured:
    """The rounds go to and fro, so that nobody always comes first of two."""
    for form in ("ndjson", "csv"):
        make(folder / f"records.{form}", rows)
        make(folder / f"start.{form}", START_ROWS)
    with EchoServer([], folder / "server.log") as server, without_files() as bare:
        place = Field(folder, server, bare)
        measured = {one: Costs(one, _start(place, one)) for one in CONTENDERS}
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            taking_part = [one for one in CONTENDERS if one.every_round or not is_quick or number == 0]
            for one in taking_part[:: -1 if number % 2 else 1]:
                measured[one].turns.append(place.take_turn(one, int(rows * one.scale), "records"))
    return measured


def _start(place: Field, contender: Contender) -> Spent:
    print(f"start of {contender.title}", file=sys.stderr)
    spent = [place.take_turn(contender, START_ROWS, "start").spent for _ in range(STARTS)]
    return Spent(
        statistics.median(one.wall_seconds for one in spent),
        statistics.median(one.cpu_seconds for one in spent),
    )


@contextmanager
def without_files() -> Iterator[list[str]]:
    """No results file, and a checkpoint that touches no disk: there is no run without one."""
    place = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    with TemporaryDirectory(prefix="uploader-benchmark-", dir=place) as folder:
        yield ["--checkpoint", f"{folder}/no-files.checkpoint", "--no-results"]


# --- what is printed ---


def as_text(measured: Measured) -> str:
    return aligned([HEADINGS, *(_cells(costs) for costs in measured.values())])


def _cells(costs: Costs) -> tuple[str, ...]:
    turns = costs.turns
    return (
        costs.contender.title,
        f"{turns[0].rows:,}",
        f"{statistics.median(costs.records_per_second):,.0f}",
        f"{statistics.median(costs.us_per_record):.2f}",
        f"{costs.start.cpu_seconds:.2f}",
        f"{statistics.median(turn.spent.wall_seconds for turn in turns):.2f}",
        f"{statistics.median(turn.load.busy_share for turn in turns):.0%}",
    )


def judge(measured: Measured, table: Table) -> None:
    for form, (ours, plain) in PAIRS.items():
        cpu = ratios(measured[ours].us_per_record, measured[plain].us_per_record)
        speed = ratios(measured[ours].records_per_second, measured[plain].records_per_second)
        _at_most(table, f"1. {form}: CPU per record, of the plain loop's", cpu, MOST_CPU)
        _at_least(table, f"1. {form}: records/s, of the plain loop's", speed, LEAST_SPEED)
    our_pace, their_pace = (statistics.median(measured[one].records_per_second) for one in (OURS, OFFICIAL))
    name = "1. NDJSON: records/s, of the official client's"
    _at_least(table, name, [our_pace / their_pace], LEAST_OVER_OFFICIAL)
    for form, (ours, bare) in BOOKS.items():
        cpu = ratios(measured[ours].us_per_record, measured[bare].us_per_record)
        seconds = ratios(measured[bare].records_per_second, measured[ours].records_per_second)
        _at_most(table, f"2. {form}: CPU per record with files, of that without", cpu, MOST_WITH_FILES)
        _at_most(table, f"2. {form}: time per record with files, of that without", seconds, MOST_WITH_FILES)
    _judge_server(measured, table)


def _judge_server(measured: Measured, table: Table) -> None:
    """The ceiling is there to press the server; nobody else may."""
    busy, who = max((costs.busy_share, one.title) for one, costs in measured.items() if one != CEILING)
    name = f"server's core in use, at most (below {MOST_BUSY:.0%})"
    table.demand(name, f"{busy:.0%}, by {who}", met=busy < MOST_BUSY)
    turns = measured[CEILING].turns
    could = statistics.median(turn.rows / turn.load.cpu_seconds for turn in turns)
    table.add("records/s the server could answer by its CPU, under the ceiling", f"{could:,.0f}")
    answered = statistics.median(turn.load.bytes_answered / turn.load.upserts for turn in turns)
    table.add("bytes of an answer", f"{answered:,.0f}")


def ratios(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    """Pair by pair. Where one had fewer turns, only the rounds count that both took part in."""
    return [one / other for one, other in zip(ours, others, strict=False)]


def _at_most(table: Table, name: str, ratios: Sequence[float], limit: float) -> None:
    table.demand(f"{name} (at most {limit:.2f})", spread(ratios), met=statistics.median(ratios) <= limit)


def _at_least(table: Table, name: str, ratios: Sequence[float], limit: float) -> None:
    table.demand(f"{name} (at least {limit:g})", spread(ratios), met=statistics.median(ratios) >= limit)


def spread(ratios: Sequence[float]) -> str:
    """The median, and from where to where the pairs went."""
    spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
    return f"{statistics.median(ratios):.2f}{spread}"
