"""What each part of the engine costs per row: its steps one by one, in one process, on the rows of a file.

Every step does what it does in a run, batch by batch, and the next one goes on with what it made. A figure is
the best of some rounds: whatever else the machine does can only make a round slower. What a whole upload
spends beside these steps is what a request costs (aiohttp, event loop, pace), the commits, and the start.

    python -m benchmarks.cost_by_part
    python -m benchmarks.cost_by_part --shapes csv crm ndjson
"""

import argparse
import gc
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
USUAL = ("ndjson", "csv", "crm")
Seconds = dict[str, float]  # by the name of a step


class Engine:
    """The steps of one file, once. What a run does concurrently is done one after the other."""

    def __init__(self, path: Path, *, are_known: bool) -> None:
        self.seconds: Seconds = defaultdict(float)
        self._path = path
        source, rules = open_source(str(path)), Rules()
        header = source.shape.columns
        self._slices = source.slices()
        self._mapper = Mapper(0, rules, None, resolve_columns(header, rules, None) if header else None)
        self._batcher = Batcher()
        self._accounting = Accounting(State(), FailureLimit())
        self._answers = Answers(are_known=are_known)

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.seconds[name] += time.process_time() - began

    def run(self) -> Seconds:
        position = 0
        while (part := self._read()) is not None:
            records, unsent = self._map(position, part.rows)
            self._accounting.read(Slice(position, len(part.rows), 0, part.start, records, unsent))
            self._settle([Settlement(one, one.outcome, refusal=Refusal("", one.reason)) for one in unsent])
            with self._step("find conflicts, draw batches"):
                self._batcher.add(records)
            self._send(is_last=False)
            position += len(part.rows)
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
    return {step: min(one[step] for one in rounds) / rows for step in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description="What each part of the engine costs per row.")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=USUAL)
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args()
    gc.set_threshold(50_000, 20, 100)  # as in a run
    with workplace(None) as folder:
        measured = {name: measure(folder, name, options.rows) for name in options.shapes}
    steps = list(next(iter(measured.values())))
    lines = [[step, *(f"{one[step] * 1e6:.2f}" for one in measured.values())] for step in steps]
    sums = ["together", *(f"{sum(one.values()) * 1e6:.2f}" for one in measured.values())]
    print(aligned([["us per row", *(SHAPES[name].title for name in measured)], *lines, sums]))


if __name__ == "__main__":
    main()
