"""How a run ended: summary, exit code, advice. It is not formatted here.

The keys of `as_dict` and the exit codes are an interface: users' scripts depend on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from uploader.model.chain_of_rows import Chain
from uploader.model.follow_ups import Progress
from uploader.model.outcomes import OK, Outcome
from uploader.model.settled_rows import Tallies
from uploader.model.stop import Cause
from uploader.pipeline.failure_limits import Tolerance


class JobState(StrEnum):
    """How far a job has come. Printed and in JSON it is its word."""

    COMPLETE = "complete"  #: nothing is left to do; rows may have failed
    RUNNING = "running"  #: a process works on it
    STOPPED = "stopped"  #: something is left; the summary's `reason` says why


@dataclass(frozen=True, slots=True)
class EarlyEnd:
    """Why a job that only reads was ended early."""

    cause: Cause
    reason: str
    signal: int = 0

    def exit_code(self, *, has_begun: bool) -> int:
        return _early_exit_code(self.cause, self.signal, has_begun=has_begun)


def _early_exit_code(cause: Cause | None, signal: int, *, has_begun: bool) -> int:
    if cause is Cause.SIGNAL:
        return 128 + signal
    if cause is Cause.CANARY:
        return 3
    if cause in _COME_BACK:
        return 75
    return 78 if cause in _MEND or has_begun else 2


@dataclass(frozen=True, slots=True)
class Summary:
    """How a job ended, or how it stands: its counts over all its runs."""

    tallies: Tallies
    state: JobState
    reason: str = ""  #: why it stopped
    elapsed_seconds: float = 0.0
    cause: Cause | None = None
    signal: int = 0  #: that interrupted the run
    tolerance: Tolerance | None = None
    chain: Chain = field(default_factory=Chain)  #: of a job with open rows
    follow_ups: Mapping[str, Progress] = field(default_factory=dict)  #: what follows the rows
    #: Of a job that stopped: whether an open row may have been sent; None if that is not known
    may_be_sent: bool | None = None

    def as_dict(self) -> dict[str, object]:
        tallies = self.tallies
        return {
            "rows": tallies.rows,
            **{outcome.value: tallies.outcomes[outcome] for outcome in Outcome},
            "open": tallies.open,
            "replayed": tallies.replayed,
            "values_dropped": tallies.values_dropped,
            "keyless": tallies.keyless,
            "values_spared": tallies.values_spared,
            "requests": tallies.requests,
            "throttled": tallies.throttled,
            "retries": tallies.retries,
            "num_errors": tallies.num_errors,
            "aliases": tallies.aliases,
            "held_back": tallies.held_back,
            "opt_outs": tallies.opt_outs,
            "opt_outs_unlisted": tallies.opt_outs_unlisted,
            **self.chain.as_dict(),
            "records_per_upsert": round(tallies.records_per_upsert, 2),
            "skipped_because": dict(sorted(tallies.skips.items())),
            "batches": dict(sorted(tallies.batches.items())),
            "pauses": dict(sorted(tallies.pauses.items())),
            "elapsed_seconds": round(self.elapsed_seconds, 3),
            "state": str(self.state),
            "reason": self.reason,
            **({"tolerated": self.tolerated} if self.tolerance else {}),
            **{name: one.as_dict() for name, one in self.follow_ups.items()},
        }

    @property
    def ok(self) -> bool:
        """Whether the exit code is 0: the job is complete, and all rows are `RowOutcome.ok`, or as many as
        `tolerate` asks for; with links or a list, these are complete, too.
        """
        return self.exit_code == 0

    @property
    def rows(self) -> int:
        """The number of rows that were read."""
        return self.tallies.rows

    @property
    def created(self) -> int:
        """The number of new records."""
        return self.tallies.outcomes[Outcome.CREATED]

    @property
    def updated(self) -> int:
        """The number of rows that were written to an existing record."""
        return self.tallies.outcomes[Outcome.UPDATED]

    @property
    def failed(self) -> int:
        """The number of rows that are rejected, invalid or abandoned."""
        return self.tallies.failed

    @property
    def unsettled(self) -> int:
        """The number of rows that are pending or failed."""
        return sum(count for outcome, count in self.tallies.outcomes.items() if outcome not in OK)

    @property
    def tolerated(self) -> int:
        """The unsettled rows of a finished job if they are within --tolerate, else 0."""
        if self.state != JobState.COMPLETE or self.tolerance is None:
            return 0
        return self.unsettled if self.tolerance.covers(self.unsettled, self.tallies.rows) else 0

    @property
    def exit_code(self) -> int:
        if self.state == JobState.COMPLETE:
            has_failed = self.unsettled > self.tolerated or any(
                one.failed for one in self.follow_ups.values()
            )
            return int(has_failed)
        return _early_exit_code(self.cause, self.signal, has_begun=self._has_begun)

    @property
    def _has_begun(self) -> bool:
        """Whether HubSpot has settled any row."""
        never_sent = {Outcome.INVALID, Outcome.SKIPPED}
        return any(count for outcome, count in self.tallies.outcomes.items() if outcome not in never_sent)


#: Causes that pass: the same command resumes the job later.
_COME_BACK = frozenset({Cause.OUTAGE, Cause.DAILY, Cause.MIGRATION, Cause.DURATION, Cause.LIMIT})
#: Causes that need a fix first, even if nothing was written yet.
_MEND = frozenset({Cause.FAILURES, Cause.LABEL, Cause.LINKS, Cause.LIST, Cause.STORAGE, Cause.RESULTS})

#: What to do with a list of opt-outs.
IMPORT_IT = "import that list in HubSpot as an opt-out list before anything is mailed"
#: What to do with settings that were changed, and what becomes of the rows.
CHANGED = (
    "--restart (all rows are sent again) or --accept-changed-settings (for the rows still to come; upload "
    "the failed rows afterwards, from the file that `failures` writes)"
)
_AGAIN = "then run the same command again"
_ADVICE = {
    Cause.OUTAGE: "run the same command again when the server is available",
    Cause.DAILY: "run the same command again after the account's midnight",
    Cause.MIGRATION: "run the same command again when HubSpot has finished moving the account",
    Cause.TOKEN: f"provide a valid token (with OAuth: a valid refresh token), {_AGAIN}",
    Cause.SCOPE: f"give the token the scope it lacks, {_AGAIN}",
    Cause.ADDRESS: f"check --base-url, --api-version and --object-type, {_AGAIN}",
    Cause.NETWORK: f"correct the certificate or proxy settings, {_AGAIN}",
    Cause.ID_PROPERTY: "choose an id property whose values are unique, with --id-property or --match",
    Cause.PROPERTY: "create the property first, or leave the column out with --ignore COLUMN "
    f"(and --accept-changed-settings, if rows are confirmed already), {_AGAIN}",
    Cause.LINKS: "correct what HubSpot refuses, or leave the link column out (and add "
    f"--accept-changed-settings), {_AGAIN}",
    Cause.LABEL: "create the label in HubSpot (Settings > Objects > Associations), or name another one "
    f"(and add --accept-changed-settings), {_AGAIN}",
    Cause.FAILURES: "see the reasons of the failed rows: this job does not try them again. If the settings "
    f"are wrong, correct them and add {CHANGED}. If the file is wrong, correct it and add --restart. If so "
    "many rows may fail, the same command continues, and counts failures from zero",
    Cause.LIST: f"make it a static list again, or restore it in HubSpot, {_AGAIN}",
    Cause.STORAGE: f"free disk space, or correct the problem with the file, {_AGAIN}",
    Cause.RESULTS: _AGAIN,
    Cause.SOURCE: "a corrected source is a new job: add --restart",
    Cause.CUT_OFF: "if the stream is complete, add --accept-unfinished-last-line; otherwise give the whole "
    "stream again (add --restart if it is refused)",
    Cause.SIGNAL: "the same command resumes",
    Cause.DURATION: "run the same command again to continue",
    Cause.LIMIT: "run the same command without --limit, or with a higher one, to continue",
    Cause.CANARY: "review the outcome of its rows",
}


def advice(cause: Cause) -> str:
    """What the user can do about a cause."""
    return _ADVICE.get(cause, "run the same command again")
