"""What a row costs by the shape of its file: `upload` beside a plain loop on the same file, and `check`.

Lives here: one turn of each after the other, shape by shape, on the echoing server, and the demands on the
ratios. The shapes are those of `make_shapes`; the loop is `plain` of `cost_contenders`.

CPU is counted as in `cost_per_record`. Two shapes are compared by ratios within rounds. What becomes of the
rows must agree with the file in every turn. The loop reads no Parquet: there it reads the same rows from CSV.
"""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

from benchmarks.cost_per_record import MOST_BUSY, RATE, ratios, spread, us_per_record
from benchmarks.support.make_shapes import SHAPES, Shape, make
from benchmarks.support.processes import EchoServer, Failed, Load, Spent, Table, aligned, forget, spend

START_ROWS, STARTS = 100, 3
LOOP, UPLOAD, CHECK = PROGRAMS = ("loop", "upload", "check")

#: CPU of an upload, and its time, by the name of a shape.
MOST_OF_LOOP = {"ndjson": 1.3, "csv": 1.3, "crm": 1.5}
MOST_BETWEEN_SHAPES = 1.5
HEADINGS = (
    "",
    "loop us/row",
    "upload us/row",
    "CPU, of the loop's",
    "rows/s, of the loop's",
    "upload rows/s",
    "check us/row",
    "server busy",
)


@dataclass(frozen=True, slots=True)
class Source:
    """A file of one shape."""

    shape: Shape
    path: Path
    loop_path: Path  #: the same rows, as the plain loop can read them
    rows: int
    nonsense: int  #: rows with an address that is none
    refused: int  #: rows that the server refuses

    @property
    def upload_counts(self) -> dict[str, int]:
        """What the summary of an upload must say."""
        written = self.rows - self.nonsense - self.refused
        return {
            "created": 0 if self.shape.is_known else written,
            "updated": written if self.shape.is_known else 0,
            "rejected": self.refused,
            "invalid": self.nonsense,
        }

    @property
    def check_counts(self) -> dict[str, int]:
        return {"rows": self.rows, "invalid": self.nonsense}


@dataclass(frozen=True, slots=True)
class Turn:
    """One process of one program on one file."""

    rows: int
    spent: Spent
    load: Load


@dataclass(slots=True)
class Costs:
    """Of one shape, by program. `turns[program][i]` are neighbours in time of the others' `[i]`."""

    shape: Shape
    starts: Mapping[str, Spent]
    turns: dict[str, list[Turn]] = field(default_factory=lambda: {program: [] for program in PROGRAMS})

    def us_per_row(self, program: str) -> list[float]:
        start = self.starts[program]
        return [us_per_record(turn.spent, turn.rows, start) for turn in self.turns[program]]

    def rows_per_second(self, program: str) -> list[float]:
        return [turn.rows / turn.load.seconds for turn in self.turns[program]]

    @property
    def cpu_ratios(self) -> list[float]:
        return ratios(self.us_per_row(UPLOAD), self.us_per_row(LOOP))

    @property
    def speed_ratios(self) -> list[float]:
        return ratios(self.rows_per_second(UPLOAD), self.rows_per_second(LOOP))

    @property
    def busy_share(self) -> float:
        """Of the server's core, at most."""
        return max(turn.load.busy_share for program in (LOOP, UPLOAD) for turn in self.turns[program])


Measured = dict[str, Costs]  # by the name of a shape

# --- the turns ---


@dataclass(frozen=True, slots=True)
class Bench:
    """Where the turns are taken."""

    folder: Path
    server: EchoServer
    knowing_server: EchoServer  #: to it, every record exists already

    def take_turn(self, program: str, source: Source) -> Turn:
        forget(source.path)
        server = self.knowing_server if source.shape.is_known else self.server
        server.forget()
        printed = self.folder / f"{program}.json"
        command = [sys.executable, "-m", *map(str, _command(program, source, server.url))]
        # `check` ends with 1 where rows would fail.
        codes = (0, 1) if program == CHECK else (0,)
        spent = spend(command, self.folder / "contenders.log", output=printed, codes=codes)
        if program == UPLOAD:
            _compare(source, program, printed, source.upload_counts)
        elif program == CHECK:
            _compare(source, program, printed, source.check_counts)
        return Turn(source.rows, spent, server.load())


def _command(program: str, source: Source, url: str) -> list[object]:
    if program == LOOP:
        module = "benchmarks.support.cost_contenders"
        return [module, "plain", url, source.loop_path, "--rows", source.rows]
    tolerate = ["--tolerate", "100%"] if program == UPLOAD else []
    return ["uploader", program, source.path, "--base-url", url, "--rate", RATE, "--json", *tolerate]


def _compare(source: Source, program: str, printed: Path, expected: Mapping[str, int]) -> None:
    report = json.loads(printed.read_bytes())
    counts = {name: report[name] for name in expected}
    if counts != expected:
        raise Failed(f"{program} of {source.shape.title}: {counts}, expected {expected}")


def measure(folder: Path, rows: int, rounds: int, names: Sequence[str]) -> Measured:
    """The rounds go to and fro, so that no shape and no program is always the first."""
    sources = {name: _source(folder, SHAPES[name], name, rows) for name in names}
    log = folder / "server.log"
    with ExitStack() as stack:
        server = stack.enter_context(EchoServer([], log))
        bench = Bench(folder, server, stack.enter_context(EchoServer(["--known"], log)))
        starts = {form: _starts(bench, form) for form in {SHAPES[name].form for name in names}}
        measured = {name: Costs(SHAPES[name], starts[SHAPES[name].form]) for name in names}
        turns = [(name, program) for name in names for program in PROGRAMS]
        for number in range(rounds):
            print(f"shapes: round {number + 1} of {rounds}", file=sys.stderr)
            for name, program in turns[:: -1 if number % 2 else 1]:
                measured[name].turns[program].append(bench.take_turn(program, sources[name]))
    return measured


def _source(folder: Path, shape: Shape, stem: str, rows: int) -> Source:
    path = loop_path = folder / f"{stem}.{shape.form}"
    maker = make(path, shape, rows)
    if shape.form == "parquet":
        loop_path = path.with_name(f"{stem}-rows.csv")
        make(loop_path, SHAPES["csv"], rows)
    return Source(shape, path, loop_path, rows, maker.nonsense, maker.refused)


def _starts(bench: Bench, form: str) -> dict[str, Spent]:
    """What each program spends on a file of this format with next to no rows."""
    print(f"shapes: starts, {form}", file=sys.stderr)
    source = _source(bench.folder, Shape(title="start", form=form), "start", START_ROWS)
    starts = {}
    for program in PROGRAMS:
        spent = [bench.take_turn(program, source).spent for _ in range(STARTS)]
        wall_seconds = statistics.median(one.wall_seconds for one in spent)
        starts[program] = Spent(wall_seconds, statistics.median(one.cpu_seconds for one in spent))
    return starts


# --- what is printed ---


def as_text(measured: Measured) -> str:
    return aligned([HEADINGS, *(_cells(costs) for costs in measured.values())])


def _cells(costs: Costs) -> tuple[str, ...]:
    return (
        costs.shape.title,
        f"{statistics.median(costs.us_per_row(LOOP)):.2f}",
        f"{statistics.median(costs.us_per_row(UPLOAD)):.2f}",
        spread(costs.cpu_ratios),
        spread(costs.speed_ratios),
        f"{statistics.median(costs.rows_per_second(UPLOAD)):,.0f}",
        f"{statistics.median(costs.us_per_row(CHECK)):.2f}",
        f"{costs.busy_share:.0%}",
    )


def judge(measured: Measured, table: Table) -> None:
    for name, most in MOST_OF_LOOP.items():
        if name in measured:
            _judge_beside_loop(measured[name], most, table)
    shapes = [costs.shape.title for costs in measured.values()]
    for what, figures in (
        ("upload, CPU per row", [costs.us_per_row(UPLOAD) for costs in measured.values()]),
        ("upload, time per row", [_inverse(costs.rows_per_second(UPLOAD)) for costs in measured.values()]),
        ("check, CPU per row", [costs.us_per_row(CHECK) for costs in measured.values()]),
    ):
        _judge_shapes(what, dict(zip(shapes, figures, strict=True)), table)
    busy, title = max((costs.busy_share, costs.shape.title) for costs in measured.values())
    name = f"shapes: server's core in use, at most (below {MOST_BUSY:.0%})"
    table.demand(name, f"{busy:.0%}, by {title}", met=busy < MOST_BUSY)


def _judge_beside_loop(costs: Costs, most: float, table: Table) -> None:
    for what, figures in (
        ("CPU per row", costs.cpu_ratios),
        ("time per row", _inverse(costs.speed_ratios)),
    ):
        name = f"shapes: {costs.shape.title}: {what}, of the plain loop's (at most {most:g})"
        table.demand(name, spread(figures), met=statistics.median(figures) <= most)


def _judge_shapes(what: str, figures: Mapping[str, Sequence[float]], table: Table) -> None:
    """`figures`: of each shape, by its title, one a round. The two furthest apart are named."""
    compared = {pair: ratios(figures[pair[0]], figures[pair[1]]) for pair in permutations(figures, 2)}
    if not compared:
        return
    pair = max(compared, key=lambda pair: statistics.median(compared[pair]))
    table.demand(
        f"shapes: {what}, of another shape's (at most {MOST_BETWEEN_SHAPES:g})",
        f"{spread(compared[pair])}, {pair[0]} / {pair[1]}",
        met=statistics.median(compared[pair]) <= MOST_BETWEEN_SHAPES,
    )


def _inverse(figures: Sequence[float]) -> list[float]:
    return [1 / one for one in figures]
