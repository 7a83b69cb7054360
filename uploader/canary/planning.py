"""Whether a job has a canary, whether its options fit, and whether its other rows wait for an approval."""

from uploader.errors import SettingsError, UndoneCanaryError
from uploader.hubspot.account import Account
from uploader.model.canary import DEFAULT_ROWS, Canary
from uploader.settings.safety import SafetySettings
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.undo_progress import read_undo_progress

UNDONE = "the rows of the canary were sent, and undone since; to begin anew, use --restart"


def planned(settings: SafetySettings, account: Account, now: float, *, is_watched: bool) -> Canary | None:
    """The canary of a new job: as set, else the usual one on a production account if `is_watched`."""
    usual = DEFAULT_ROWS if account.may_be_production and is_watched else 0
    rows = usual if settings.canary is None else settings.canary
    return Canary(rows, now) if rows else None


def check(settings: SafetySettings, canary: Canary | None, *, is_new: bool) -> None:
    """SettingsError if the canary options do not fit the job. Call it before anything is written."""
    if is_new and canary is not None and settings.approve_canary:
        raise SettingsError(
            "--approve-canary: there is no canary to approve yet; run the command without it first, and "
            "review the outcome of the first rows"
        )
    if settings.canary and settings.canary != (canary.rows if canary else 0):
        has = f"with one of {canary.rows:,} rows" if canary else "without a canary"
        raise SettingsError(
            f"--canary {settings.canary}: the job was started {has}; leave the option out, or start over "
            "with --restart"
        )


def is_undone(checkpoint: Checkpoint) -> bool:
    """Whether an undo has taken back rows of a canary, at least in part, and other rows wait for approval."""
    canary = checkpoint.canary()
    if canary is None or canary.approved or checkpoint.state().state == "complete":
        return False
    undo = read_undo_progress(checkpoint.path, checkpoint.job_id())
    return undo is not None and undo.is_begun


def refuse_undone(checkpoint: Checkpoint) -> None:
    """UndoneCanaryError if the job would go on without the rows of its canary, which were undone."""
    if is_undone(checkpoint):
        raise UndoneCanaryError(UNDONE)


def unapproved(settings: SafetySettings, checkpoint: Checkpoint) -> Canary | None:
    """The canary whose approval the other rows wait for, or None. An approval by option is recorded."""
    canary = checkpoint.canary()
    if canary is None or canary.approved:
        return None
    if settings.canary == 0 or (canary.waits and settings.approve_canary):
        checkpoint.note_canary(canary.approve())
        return None
    return canary
