"""How a plan ended: its steps, their sums, the exit code. It is not formatted here.

The keys of `as_dict` and the exit codes are an interface: users' scripts depend on them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uploader.jobs.summary import EarlyEnd, JobState, Summary
from uploader.model.stop import Cause
from uploader.plans.record import COMPLETE, NOT_STARTED, STOPPED

_STOPPED_CODE, _FAILED_CODES = 75, frozenset({0, 1})


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended, or how it stands if it did not run."""

    name: str
    object_type: str
    checkpoint: str
    results: str  #: "" if none is written
    summary: Summary | None = None  #: None if nothing of it was ever written
    exit_code: int | None = None  #: None if it did not run in this invocation
    error: str = ""  #: why it could not start
    problems: Sequence[str] = ()  #: why it cannot start, as the check found
    warnings: Sequence[str] = ()
    meanwhile: str = ""  #: its state while its plan runs and another step is at work

    @property
    def state(self) -> str:
        return self.meanwhile or (self.summary.state if self.summary else NOT_STARTED)

    @property
    def reason(self) -> str:
        if self.meanwhile:
            return ""
        return self.error or (self.summary.reason if self.summary else "")

    @property
    def blocks(self) -> bool:
        """Whether the next steps wait until this one is resumed and complete."""
        if self.exit_code is None or self.summary is None:
            return True
        # Rows beyond --limit are left out on purpose: so that every step can be tried.
        return self.summary.state != COMPLETE and self.summary.cause is not Cause.LIMIT

    def as_dict(self) -> dict[str, object]:
        found: dict[str, object] = {
            "name": self.name,
            "object_type": self.object_type,
            "checkpoint": self.checkpoint,
            "results": self.results,
            **(self.summary.as_dict() if self.summary else {}),
            "state": self.state,
            "reason": self.reason,
            "exit_code": self.exit_code,
        }
        if self.problems or self.warnings:
            found |= {"problems": list(self.problems), "warnings": list(self.warnings)}
        return found


@dataclass(frozen=True, slots=True)
class PlanEnd:
    """How a plan ended."""

    steps: Sequence[StepEnd]
    stopped_code: int | None = None  #: of a plan that was stopped while no step ran
    early: EarlyEnd | None = None  #: why its check was ended early
    is_running: bool = False  #: a process works on it, be it between two steps

    @property
    def exit_code(self) -> int:
        """That of the step that stopped the plan, else the worst of all."""
        if self.stopped_code is not None:
            return self.stopped_code
        codes = [_STOPPED_CODE if one.exit_code is None else one.exit_code for one in self.steps]
        stops = [code for code in codes if code not in _FAILED_CODES]
        return next((code for code in stops if code != _STOPPED_CODE), max([*stops, *codes], default=0))

    @property
    def state(self) -> str:
        states = {one.state for one in self.steps}
        if self.is_running or JobState.RUNNING in states:
            return JobState.RUNNING
        return COMPLETE if states == {COMPLETE} else NOT_STARTED if states <= {NOT_STARTED} else STOPPED

    @property
    def stopped_by(self) -> StepEnd | None:
        """The step that ran and blocks the others; None if there is none."""
        return next((one for one in self.steps if one.blocks and one.exit_code is not None), None)

    @property
    def waiting(self) -> Sequence[StepEnd]:
        """The steps that did not run, because another one blocks them."""
        return [one for one in self.steps if one.exit_code is None]

    def totals(self) -> dict[str, int]:
        """The counts of all steps together."""
        return _sum([one.summary.as_dict() for one in self.steps if one.summary is not None], _SUMMED)

    def follow_up_totals(self) -> dict[str, dict[str, int]]:
        """The counts of what follows the rows, such as links, of all steps together."""
        known = [one.summary.follow_ups for one in self.steps if one.summary is not None]
        names = dict.fromkeys(name for one in known for name in one)
        return {name: _sum([one[name].as_dict() for one in known if name in one]) for name in names}

    def as_dict(self) -> dict[str, object]:
        by = self.stopped_by
        return {
            "state": self.state,
            "reason": self.early.reason if self.early else f"step {by.name}: {by.reason}" if by else "",
            "steps": [one.as_dict() for one in self.steps],
            "totals": {**self.totals(), **self.follow_up_totals()},
        }


def _sum(documents: Sequence[Mapping[str, object]], keys: Sequence[str] = ()) -> dict[str, int]:
    """The numbers of all documents, by their keys; all of them unless `keys` are given."""
    found = Counter[str]()
    for document in documents:
        found.update({key: n for key, n in document.items() if isinstance(n, int)})
    return {key: found[key] for key in keys or found}


_SUMMED = (
    "rows",
    "created",
    "updated",
    "unchanged",
    "rejected",
    "invalid",
    "skipped",
    "abandoned",
    "pending",
    "open",
    "replayed",
    "requests",
    "throttled",
    "retries",
)
