"""What the functions of the Python API return: the reports of the commands, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from uploader.check import as_json as check_json
from uploader.check.report import Report as CheckFindings
from uploader.jobs.summary import EarlyEnd
from uploader.model.outcomes import Outcome
from uploader.preview import as_json as preview_json
from uploader.preview.run import Report as PreviewFindings
from uploader.undo.job import as_json as undo_json
from uploader.undo.job.run import JobReport
from uploader.undo.plan import UndoOutcome
from uploader.verify import as_json as verify_json
from uploader.verify.judge import Verdict
from uploader.verify.run import Report as VerifyFindings


class _Report:
    """What all reports have."""

    __slots__ = ()

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        raise NotImplementedError

    @property
    def reason(self) -> str:
        """Why it stopped early; "" if it did not."""
        raise NotImplementedError

    @property
    def ok(self) -> bool:
        """Whether the exit code is 0."""
        return self.exit_code == 0


@dataclass(frozen=True, slots=True)
class CheckReport(_Report):
    """What `check` found. `found` has all of it."""

    found: CheckFindings

    @property
    def exit_code(self) -> int:
        return self.found.exit_code

    @property
    def reason(self) -> str:
        return _reason(self.found.end)

    @property
    def problems(self) -> Sequence[str]:
        """For each of these `upload` would not start."""
        return self.found.problems

    @property
    def warnings(self) -> Sequence[str]:
        return self.found.warnings

    @property
    def not_checked(self) -> Sequence[str]:
        """What could not be known."""
        return self.found.not_checked

    @property
    def rows(self) -> int:
        return self.found.findings.rows

    @property
    def invalid(self) -> int:
        """Rows that would not be sent, because they can't become a record."""
        return self.found.findings.invalid

    def as_dict(self) -> dict[str, object]:
        """As `uploader check --json` prints it."""
        return check_json.as_dict(self.found)


@dataclass(frozen=True, slots=True)
class PreviewReport(_Report):
    """What an upload would do. `found` has all of it."""

    found: PreviewFindings

    @property
    def exit_code(self) -> int:
        return self.found.exit_code

    @property
    def reason(self) -> str:
        return _reason(self.found.end)

    @property
    def rows(self) -> int:
        return self.found.summary.tallies.rows

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        """The rows by the outcome that they would have."""
        return self.found.summary.tallies.outcomes

    def as_dict(self) -> dict[str, object]:
        """As `uploader preview --json` prints it."""
        return preview_json.as_dict(self.found)


@dataclass(frozen=True, slots=True)
class VerifyReport(_Report):
    """How the records of a job compare with its rows. `found` has all of it."""

    found: VerifyFindings
    undone: Mapping[str, object] | None  #: what an undo of the job has done; None if there was none
    output: Path | None  #: the list of differences; None if there is none

    @property
    def exit_code(self) -> int:
        return self.found.exit_code

    @property
    def reason(self) -> str:
        return _reason(self.found.end)

    @property
    def records(self) -> int:
        return self.found.records

    @property
    def counts(self) -> Mapping[Verdict, int]:
        """The records by verdict."""
        return self.found.counts

    def as_dict(self) -> dict[str, object]:
        """As `uploader verify --json` prints it."""
        return verify_json.as_dict(self.found, dict(self.undone) if self.undone is not None else None)


@dataclass(frozen=True, slots=True)
class UndoReport(_Report):
    """What an undo did, or would do. `found` has all of it."""

    found: JobReport

    @property
    def exit_code(self) -> int:
        return self.found.exit_code

    @property
    def reason(self) -> str:
        return next((_reason(one.end) for one in self.found.parts if one.end), "")

    @property
    def is_dry(self) -> bool:
        """Whether nothing was written."""
        return self.found.is_dry

    @property
    def counts(self) -> Mapping[UndoOutcome, int]:
        """The records by what became of them. Empty if the job has no snapshot."""
        return self.found.records.counts if self.found.records else {}

    @property
    def output(self) -> Path | None:
        """The list of what was kept; None if there is none."""
        return _existing(self.found.kept.path if self.found.kept else None)

    def as_dict(self) -> dict[str, object]:
        """As `uploader undo --json` prints it."""
        return undo_json.as_dict(self.found)


def _reason(end: EarlyEnd | None) -> str:
    return end.reason if end else ""


def _existing(path: Path | None) -> Path | None:
    return path if path and path.exists() else None
