"""What each part of the engine costs per row: its steps one by one, in one process, on the rows of a file.

Every step does what it does in a run, batch by batch, and the next one goes on with what it made. A figure is
the best of some rounds: whatever else the machine does can only make a round slower. What a whole upload
spends beside these steps is what a request costs (aiohttp, event loop, pace), the commits, and the start.

With `--instructions`, valgrind counts what the processor executes in each step, once the first rows are done:
the same in every run, whatever else the machine does.

    python -m benchmarks.cost_by_part
    python -m benchmarks.cost_by_part --shapes csv crm ndjson
    python -m benchmarks.cost_by_part --instructions
"""

import argparse
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.support.echo_server import Answers
from benchmarks.support.make_shapes import SHAPES, make
from benchmarks.support.processes import aligned, workplace
from uploader.hubspot.reply_decoding import decode
from uploader.hubspot.requests import encode_batch
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, Slice, Unsent
from uploader.model.rows import Row, RowSlice
from uploader.model.settled_rows import Refusal, Settlement
from uploader.pipeline.accounting.counts import Accounting
from uploader.pipeline.batcher import Batcher
from uploader.pipeline.failure_limits import FailureLimit
from uploader.pipeline.reply_verdict import classify
from uploader.records.columns import Rules, resolve_columns
from uploader.records.mapper import Mapper
from uploader.sources.open import open_source
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.storage.results_file import result_lines

ROWS, ROUNDS = 20_000, 7
#: Where instructions are counted: rows in all, and those after which they are.
COUNTED_ROWS, WARM_UP_ROWS = 6_000, 2_000
#: Wherever this function is called, valgrind begins a new count.
CLOCK = "time_process_time"
USUAL = ("ndjson", "csv", "crm")
Seconds = dict[str, float]  # by the name of a step


class Engine:
    """The steps of one file, once. What a run does concurrently is done one after the other."""

    def __init__(self, path: Path, *, are_known: bool) -> None:
        self.seconds: Seconds = defaultdict(float)
        self.steps: list[tuple[str, int]] = []  #: in order, each with the rows read before it
        self._path, self._rows = path, 0
        source, rules = open_source(str(path)), Rules()
        header = source.shape.columns
        self._slices = source.slices()
        self._mapper = Mapper(0, rules, None, resolve_columns(header, rules, None) if header else None)
        self._batcher = Batcher()
        self._accounting = Accounting(State(), FailureLimit())
        self._answers = Answers(are_known=are_known)

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        self.steps.append((name, self._rows))
        began = time.process_time()
        yield
        self.seconds[name] += time.process_time() - began

    def run(self) -> Seconds:
        while (part := self._read()) is not None:
            position = self._rows
            records, unsent = self._map(position, part.rows)
            self._accounting.read(Slice(position, len(part.rows), 0, part.start, records, unsent))
            self._settle([Settlement(one, one.outcome, refusal=Refusal("", one.reason)) for one in unsent])
            with self._step("find conflicts, draw batches"):
                self._batcher.add(records)
            self._send(is_last=False)
            self._rows += len(part.rows)
        self._send(is_last=True)
        return self.seconds

    def _read(self) -> RowSlice | None:
        with self._step("read and parse"):
            return next(self._slices, None)

    def _map(self, position: int, rows: Sequence[Row]) -> tuple[list[Record], list[Unsent]]:
        with self._step("make records"):
            mapped = self._mapper.map(position, rows)
            records = [one for one in mapped if isinstance(one, Record)]
            return records, [one for one in mapped if isinstance(one, Unsent)]

    def _send(self, *, is_last: bool) -> None:
        while self._batcher.ready >= (1 if is_last else self._batcher.max_records):
            with self._step("find conflicts, draw batches"):
                batch = self._batcher.draw()
            with self._step("encode the request"):
                body = encode_batch(batch)
            status, answer, _ = self._answers.upsert(body)
            with self._step("decode the reply"):
                reply = decode(status, {}, answer, batch[0].id_property)
            with self._step("match and judge the reply"):
                verdict = classify(batch, reply, ())
            with self._step("settle"):
                settled = [*verdict.confirmed]
                settled += [
                    Settlement(one.record, Outcome.REJECTED, refusal=one.refusal) for one in verdict.refused
                ]
                self._batcher.settle([one.record for one in settled if isinstance(one.record, Record)])
            self._settle(settled)

    def _settle(self, settled: Sequence[Settlement]) -> None:
        with self._step("settle"):
            self._accounting.settle(settled)
        with self._step("lines of the results file"):
            result_lines(settled, [self._path.name], "email")


def measure(folder: Path, name: str, rows: int) -> Seconds:
    """Per row, the least of some rounds."""
    shape = SHAPES[name]
    path = folder / f"{name}.{shape.form}"
    make(path, shape, rows)
    rounds = [Engine(path, are_known=shape.is_known).run() for _ in range(ROUNDS)]
    return {step: min(one[step] for one in rounds) / rows * 1e6 for step in rounds[0]}


def count(folder: Path, name: str) -> dict[str, float]:
    """The instructions of each step per row, by a process of its own under valgrind."""
    shape = SHAPES[name]
    path, out = folder / f"{name}.{shape.form}", folder / f"{name}.counts"
    make(path, shape, COUNTED_ROWS)
    valgrind = ["valgrind", "--tool=callgrind", f"--dump-before={CLOCK}", f"--callgrind-out-file={out}"]
    command = [*valgrind, sys.executable, "-m", __spec__.name, "--shapes", name, "--steps-of", str(path)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, check=True, capture_output=True, env=environment)
    executed: dict[str, float] = defaultdict(float)
    for place, (step, rows_before) in enumerate(json.loads(done.stdout)):
        if rows_before >= WARM_UP_ROWS:
            # The first part is all that came before the first step; then each step, and what follows it.
            part = out.with_name(f"{out.name}.{2 * place + 2}").read_text()
            executed[step] += int(re.findall(r"^totals: (\d+)", part, re.MULTILINE)[0])
    return {step: total / (COUNTED_ROWS - WARM_UP_ROWS) for step, total in executed.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="What each part of the engine costs per row.")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=USUAL)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--instructions", action="store_true", help="count them, with valgrind")
    parser.add_argument("--steps-of", type=Path, help=argparse.SUPPRESS)  # what valgrind runs
    options = parser.parse_args()
    if options.instructions and not shutil.which("valgrind"):
        parser.exit(2, "valgrind is missing: install it, or leave --instructions out to measure seconds\n")
    gc.set_threshold(50_000, 20, 100)  # as in a run
    if options.steps_of:
        engine = Engine(options.steps_of, are_known=SHAPES[options.shapes[0]].is_known)
        engine.run()
        json.dump(engine.steps, sys.stdout)
        return
    with workplace(None) as folder:
        measured = {
            name: count(folder, name) if options.instructions else measure(folder, name, options.rows)
            for name in options.shapes
        }
    unit, digits = ("instructions per row", 0) if options.instructions else ("us per row", 2)
    steps = list(next(iter(measured.values())))
    lines = [[step, *(f"{one[step]:,.{digits}f}" for one in measured.values())] for step in steps]
    sums = ["together", *(f"{sum(one.values()):,.{digits}f}" for one in measured.values())]
    print(aligned([[unit, *(SHAPES[name].title for name in measured)], *lines, sums]))


if __name__ == "__main__":
    main()
