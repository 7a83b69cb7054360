"""What the user has decided about cells holds in any job: blank words, replaced values, opt-outs, limits.

Each cell of a row has a meaning and a spelling; uploader sees the spelling. The oracle applies the meanings,
row by row. The list of opt-outs has the address of every row that was sent, at each moment.
"""

import csv
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from support.model.cases import COMMON, Stop
from support.model.checks import SEEN
from support.model.running import MOST_RUNS, KillableCheckpoint, KillableTransport, reading, run_process
from uploader.jobs import opening
from uploader.model.stop import Cause
from uploader.storage.file_names import opt_outs_path

#: Of all columns, and of one: a word that is a value in the others.
BLANK_WORDS = {"": ("n/a", "-"), "City": ("0",)}
TABLES = {
    "E-mail": {"old@x.com": "p1@x.com", "nobody": ""},
    "City": {"Muc": "Munich", "?": ""},
    "Tier": {"Au": "gold", "Ag": "Silver", "none yet": ""},
    "Marketing status": {"unsubscribed": "yes", "subscribed": "no"},
}
MAPPED = {"E-mail": "email", "City": "city", "Tier": "tier", "Name": "firstname"}
BLANKS = ["", " ", "n/a", "N/A ", "-"]
#: By column: meaning -> its spellings. "": a blank.
SPELLINGS = {
    "E-mail": {
        "p1@x.com": ["p1@x.com", "P1@X.com ", "old@x.com", "OLD@x.com"],
        "p2@x.com": ["p2@x.com", " p2@X.COM"],
        "p3@x.com": ["p3@x.com"],
        "": [*BLANKS, "nobody", "Nobody "],
    },
    "City": {"Munich": ["Munich", "Muc", " muc"], "Ulm": ["Ulm"], "": [*BLANKS, "0", "?"]},
    "Tier": {"gold": ["gold", "Gold", "Au", "AU"], "silver": ["silver", "ag"], "": [*BLANKS, "None yet"]},
    "Name": {"0": ["0"], "Muc": ["Muc"], "Ann": ["Ann", " Ann "], "": BLANKS},
    "Marketing status": {
        "yes": ["yes", "1", "Unsubscribed", "unsubscribed "],
        "no": ["no", "0", "subscribed"],
        "": ["", " "],
    },
}


@dataclass(frozen=True)
class Turn:
    """One process: it is killed, or ends at a row, or both."""

    stop: Stop | None
    limit: int | None


def cell(column):
    spelled = [(meaning, text) for meaning, texts in SPELLINGS[column].items() for text in texts]
    return st.sampled_from(spelled)


ROWS = st.lists(
    st.fixed_dictionaries({column: cell(column) for column in SPELLINGS}), min_size=4, max_size=30
)
STOPS = st.builds(Stop, st.floats(0.1, 0.8), st.sampled_from(["kill", "kill in a commit", "kill", "signal"]))
TURNS = st.lists(
    st.one_of(
        st.builds(Turn, STOPS, st.none()),
        st.builds(Turn, STOPS, st.integers(1, 30)),
        st.builds(Turn, st.none(), st.integers(1, 30)),
    ),
    min_size=1,
    max_size=4,
)
FAULTS = st.lists(
    st.sampled_from(
        [
            {"kind": "status", "status": 503, "rate": 0.3},
            {"kind": "reset", "applied": True, "rate": 0.3},
            {"kind": "status", "status": 502, "applied": True, "every": 3},
            {"kind": "drop_results", "count": 2, "applied": True, "every": 2},
        ]
    ),
    max_size=2,
)


@dataclass(frozen=True)
class Case:
    rows: list[dict[str, tuple[str, str]]]
    turns: list[Turn]
    faults: list[dict[str, object]]
    ndjson: bool
    clears: bool
    slice_rows: int
    batch_records: int


CASES = st.builds(
    Case, ROWS, TURNS, FAULTS, st.booleans(), st.booleans(), st.integers(1, 7), st.integers(1, 5)
)


def expected(rows, *, clears):
    """What the account holds of each address. `clears`: a blank city clears the property."""
    held = {}
    for row in rows:
        meant = {column: meaning for column, (meaning, _) in row.items()}
        if address := meant["E-mail"]:
            one = held.setdefault(address, {})
            for column, name in MAPPED.items():
                if column != "E-mail" and (meant[column] or (clears and column == "City")):
                    one[name] = meant[column]
    return held


def written(path, rows, *, ndjson):
    cells = [{column: text for column, (_, text) in row.items()} for row in rows]
    if not ndjson:
        return write_csv(path / "contacts.csv", cells, list(SPELLINGS))
    file = path / "contacts.ndjson"
    file.write_text("".join(json.dumps(one) + "\n" for one in cells), encoding="utf-8")
    return file


def listed(job):
    path = opt_outs_path(job.settings().checkpoint_path)
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [address for (address,) in list(csv.reader(file))[1:]]


@pytest.fixture(autouse=True)
def _mortal(monkeypatch):
    monkeypatch.setattr(opening, "Checkpoint", KillableCheckpoint)


@pytest.fixture
def watch(monkeypatch):
    """The case that is run, and the rows that said "opted out" and left before their address was listed."""
    found = {"rows": [], "job": None, "early": []}
    send = KillableTransport.send

    async def watched(self, call, *more):
        if call.path.endswith("/batch/upsert"):
            known = listed(found["job"])
            for one in json.loads(call.body)["inputs"]:
                row = found["rows"][int(one["objectWriteTraceId"])]
                if row["Marketing status"][0] == "yes" and row["E-mail"][0] not in known:
                    found["early"].append(row)
        return await send(self, call, *more)

    monkeypatch.setattr(KillableTransport, "send", watched)
    return found


@pytest.mark.draws
def test_any_job_ends_as_what_its_cells_mean(request, watch):
    @settings(max_examples=request.config.getoption("--cases"), **COMMON)
    @given(CASES)
    def model(case):
        rows, clears = case.rows, case.clears
        with tempfile.TemporaryDirectory(prefix="uploader-decided-") as folder:
            job = Job(
                written(Path(folder), rows, ndjson=case.ndjson),
                make_simulator(latency_seconds=0.2, faults=case.faults),
                {
                    "mapped": MAPPED,
                    "blank_values": BLANK_WORDS,
                    "translations": TABLES,
                    "cleared": frozenset({"City"} if clears else ()),
                    "opt_outs": "list",
                    "max_in_flight": 1,
                },
            )
            job.simulator.reset(0.0, [])
            opted_out = {row["E-mail"][0] for row in rows if row["Marketing status"][0] == "yes"} - {""}
            # A replaced address is listed as it is written in the file, too.
            spelled = {
                row["E-mail"][1].strip().lower() for row in rows if row["Marketing status"][0] == "yes"
            }
            watch.update(rows=rows, job=job, early=[])
            with reading(case.slice_rows, most_open=30_000):
                summary = run_to_the_end(job, case.turns, case.batch_records)
            assert watch["early"] == []
            counts = summary.as_dict()
            keyless = sum(not row["E-mail"][0] for row in rows)
            assert (counts["invalid"], counts["keyless"], counts["rows"]) == (keyless, keyless, len(rows))
            assert counts["created"] + counts["updated"] == len(rows) - keyless
            held = {one["email"]: one for one in job.held().values()}
            wanted = expected(rows, clears=clears)
            assert held.keys() == wanted.keys()
            for address, one in wanted.items():
                found = {name: held[address].get(name) or "" for name in MAPPED.values() if name != "email"}
                assert found == {name: one.get(name, "") for name in found}, address
            addresses = listed(job)
            assert len(addresses) == len(set(addresses))
            assert set(addresses) == opted_out | {one for one in spelled if "@" in one}

    killed, cases = SEEN["killed while writing"], request.config.getoption("--cases")
    model()
    assert SEEN["killed while writing"] > killed + cases // 6


def run_to_the_end(job, turns, batch):
    """The summary. A process with a limit stops there, and the next one goes on."""
    for turn in turns:
        summary = run_process(job, turn.stop, batch_records=batch, limit=turn.limit)
        if summary is not None and summary.state == "complete":
            return summary
        if turn.stop is None and summary.cause is Cause.LIMIT:
            assert summary.tallies.settled >= turn.limit
    for _ in range(MOST_RUNS):
        summary = run_process(job, None, batch_records=batch)
        if summary.state == "complete":
            return summary
    raise AssertionError(f"the job does not end: {summary}")
