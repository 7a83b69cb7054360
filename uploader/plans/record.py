"""The record of a plan: which steps it has, where their files are, and how far each has come.

In    steps, or the bytes of a record.
Out   a `Record`, its bytes, texts.
Raise `ValueError` for bytes that are no record.
Rules Paths are relative to the folder of the plan, so that it can be moved as a whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

NOT_STARTED, RUNNING, STOPPED, COMPLETE = "not started", "running", "stopped", "complete"
#: All rows are settled; what follows them, such as links, is left.
ROWS_COMPLETE = "rows complete"
#: Begun by an earlier run; its turn is still to come in the present one. No record has it.
WAITING = "waiting"
_STATES = frozenset({NOT_STARTED, RUNNING, STOPPED, ROWS_COMPLETE, COMPLETE})
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step."""

    name: str
    object_type: str
    checkpoint: str
    results: str  #: "" if none is written
    checked: str = ""  #: fingerprint of what was checked before the plan began to write
    job: str = ""  #: id of its job; "" before that was seen
    discards: str = ""  #: id of the job that --restart is to discard; "" or another job's id if it has been
    state: str = NOT_STARTED
    exit_code: int | None = None  #: of the last run that ended


@dataclass(frozen=True, slots=True)
class Record:
    """A plan that may write to an account."""

    portal: str  #: that was confirmed; "" if it was not known
    steps: Sequence[StepRecord]

    def step(self, name: str) -> StepRecord | None:
        return next((one for one in self.steps if one.name == name), None)

    def with_step(self, step: StepRecord) -> "Record":
        return replace(self, steps=[step if one.name == step.name else one for one in self.steps])


def encoded(record: Record) -> bytes:
    document = {"plan_record": _FORMAT, "portal": record.portal, "steps": [*map(asdict, record.steps)]}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def decoded(data: bytes) -> Record:
    document = orjson.loads(data)  # its error is a ValueError
    if not isinstance(document, dict) or document.get("plan_record") != _FORMAT:
        raise ValueError("it is no record of a plan, or one of another version")
    steps = document.get("steps")
    found = [_step(one) for one in (steps if isinstance(steps, list) else [None])]
    portal = document.get("portal")
    if not isinstance(portal, str) or None in found:
        raise ValueError("it is damaged")
    return Record(portal, [one for one in found if one])


def _step(found: object) -> StepRecord | None:
    """The step; None if it is damaged."""
    if not isinstance(found, Mapping):
        return None
    texts = {key: found.get(key) for key in StepRecord.__slots__ if key != "exit_code"}
    code: Any = found.get("exit_code")
    if not all(isinstance(one, str) for one in texts.values()) or texts["state"] not in _STATES:
        return None
    return StepRecord(**texts, exit_code=code if isinstance(code, int) else None)  # type: ignore[arg-type]


def moved_steps(record: Record, steps: Sequence[StepRecord]) -> list[tuple[StepRecord, StepRecord]]:
    """The steps whose checkpoint is another file now, as the record has them and as the plan has them."""
    both = [(record.step(now.name), now) for now in steps]
    return [(before, now) for before, now in both if before and before.checkpoint != now.checkpoint]
