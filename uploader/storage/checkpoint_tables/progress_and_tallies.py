"""Progress and tallies of a job, in the checkpoint. Called in its transactions."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from uploader.model.chain_of_rows import Chain
from uploader.model.outcomes import Outcome
from uploader.model.rows import Mark
from uploader.model.settled_rows import Tallies
from uploader.model.watermark import Progress, Resume
from uploader.storage.checkpoint_tables import opt_outs
from uploader.storage.results_file import Extent

SCHEMA = """
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    state TEXT NOT NULL, reason TEXT NOT NULL, lost_below INTEGER NOT NULL,
    rows INTEGER NOT NULL, watermark INTEGER NOT NULL, ranges TEXT NOT NULL,
    resume_position INTEGER NOT NULL, resume_source INTEGER NOT NULL,
    resume_offset INTEGER, resume_line INTEGER, resume_digest TEXT NOT NULL,
    results_bytes INTEGER NOT NULL, elapsed_seconds REAL NOT NULL
);
CREATE TABLE tallies (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
#: Adds the column that files of the former format lack.
FROM_FORMER = "ALTER TABLE state ADD COLUMN resume_digest TEXT NOT NULL DEFAULT '';"

#: By name: in files of the former format the columns have another order.
_WRITE = """
INSERT OR REPLACE INTO state (
    id, state, reason, lost_below, rows, watermark, ranges, resume_position, resume_source, resume_offset,
    resume_line, resume_digest, results_bytes, elapsed_seconds
) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_COUNTS = (
    *("replayed", "values_dropped", "keyless", "requests", "throttled", "retries", "num_errors", "aliases"),
    *("upserts", "sent", "held_back", "values_spared", "opt_outs_unlisted"),
)
_BATCH, _PAUSE, _SKIP = "batches.", "pauses.", "skips."


#: Outcomes of rows that were not sent.
_UNSENT = frozenset({Outcome.INVALID, Outcome.SKIPPED, Outcome.UNCHANGED})


@dataclass(slots=True)
class State:
    """What a resumed run starts from."""

    progress: Progress = field(default_factory=Progress)
    tallies: Tallies = field(default_factory=Tallies)
    state: str = "stopped"  #: "complete", or "stopped" (also while it runs; the lock shows that)
    reason: str = ""
    in_doubt_below: int = 0  #: open rows before this position may have been sent, if this process is killed
    results: Extent = field(default_factory=Extent)  #: what the results file holds
    elapsed_seconds: float = 0.0
    #: Marks above the watermark, of streams, by source.
    known: dict[int, tuple[Mark, ...]] = field(default_factory=dict)
    chain: Chain = field(default_factory=Chain)  #: of the open rows

    @property
    def may_be_sent(self) -> bool:
        """Whether any row may have been sent. After a kill the lock file's note may show more."""
        outcomes = self.tallies.outcomes
        is_settled = any(count for outcome, count in outcomes.items() if outcome not in _UNSENT)
        return bool(self.in_doubt_below or self.tallies.upserts or is_settled)


def read(connection: sqlite3.Connection) -> State:
    """The state of the job. ValueError if there is none."""
    found = connection.execute("SELECT * FROM state")
    row = found.fetchone()
    if row is None:
        raise ValueError("it holds no state")
    named = dict(zip((name for name, *_ in found.description), row, strict=True))
    offset, digest = named["resume_offset"], named.get("resume_digest", "")
    key = of_job(connection, "resume_key", "")
    mark = None if offset is None else Mark(offset, named["resume_line"], digest, key)
    return State(
        Progress(
            named["rows"],
            named["watermark"],
            tuple((a, b) for a, b in json.loads(named["ranges"])),
            Resume(named["resume_position"], named["resume_source"], mark),
        ),
        _tallies(
            dict(connection.execute("SELECT name, value FROM tallies")),
            named["rows"],
            opt_outs.count(connection),
        ),
        named["state"],
        named["reason"],
        named["lost_below"],
        Extent(
            named["results_bytes"],
            of_job(connection, "results_digest", ""),
            tuple(of_job(connection, "results_version", ())),
        ),
        named["elapsed_seconds"],
        _known(connection),
        Chain(*of_job(connection, "chain", ()), *of_job(connection, "chain_ahead", ())),
    )


def write(connection: sqlite3.Connection, state: State) -> None:
    """Store the state, except for `known`."""
    progress, mark = state.progress, state.progress.resume.mark
    *chain, share, beside = astuple(state.chain)
    connection.execute(
        _WRITE,
        (
            state.state,
            state.reason,
            state.in_doubt_below,
            progress.rows,
            progress.watermark,
            json.dumps(progress.ranges),
            progress.resume.position,
            progress.resume.source,
            mark.offset if mark else None,
            mark.line if mark else None,
            mark.digest if mark else "",
            state.results.size,
            state.elapsed_seconds,
        ),
    )
    connection.executemany("INSERT OR REPLACE INTO tallies VALUES (?, ?)", _named(state.tallies))
    connection.executemany(
        "INSERT OR REPLACE INTO job VALUES (?, ?)",
        [
            ("results_digest", json.dumps(state.results.digest)),
            ("results_version", json.dumps(state.results.version)),
            ("chain", json.dumps(chain)),
            ("chain_ahead", json.dumps([share, beside])),  # which earlier versions do not know
            ("resume_key", json.dumps(mark.key if mark else "")),
        ],
    )


def of_job(connection: sqlite3.Connection, name: str, default: object) -> Any:  # noqa: ANN401  # as it was put
    """A value of the job; `default` if an earlier version did not store it."""
    found = connection.execute("SELECT value FROM job WHERE name = ?", (name,)).fetchall()
    return json.loads(found[0][0]) if found else default


def write_known(connection: sqlite3.Connection, known: Mapping[int, Sequence[Mark]]) -> None:
    """Store the marks above the watermark."""
    marks = {source: [(m.offset, m.line, m.digest) for m in marks] for source, marks in known.items()}
    connection.execute("INSERT OR REPLACE INTO job VALUES ('known', ?)", (json.dumps(marks),))


def _known(connection: sqlite3.Connection) -> dict[int, tuple[Mark, ...]]:
    by_source = of_job(connection, "known", {})
    return {int(source): tuple(Mark(*mark) for mark in marks) for source, marks in by_source.items()}


def _named(tallies: Tallies) -> list[tuple[str, int]]:
    counts = [(name, getattr(tallies, name)) for name in _COUNTS]
    counts += [(outcome.value, count) for outcome, count in tallies.outcomes.items()]
    counts += [(_SKIP + rule, count) for rule, count in tallies.skips.items()]
    counts += [(_BATCH + status, count) for status, count in tallies.batches.items()]
    return counts + [(_PAUSE + cause, count) for cause, count in tallies.pauses.items()]


def _tallies(named: Mapping[str, int], rows: int, listed: int) -> Tallies:
    tallies = Tallies(rows=rows, opt_outs=listed)
    for name in _COUNTS:
        setattr(tallies, name, named.get(name, 0))
    tallies.outcomes = {outcome: named.get(outcome.value, 0) for outcome in Outcome}
    tallies.batches = _under(_BATCH, named)
    tallies.pauses = _under(_PAUSE, named)
    tallies.skips = _under(_SKIP, named)
    return tallies


def _under(prefix: str, named: Mapping[str, int]) -> dict[str, int]:
    return {name.removeprefix(prefix): count for name, count in named.items() if name.startswith(prefix)}
