"""Whether and when a batch is sent again. Arithmetic only: clock, counts and random numbers are arguments.

In    how often a batch was answered without being settled, and whether others succeeded meanwhile.
Out   a `Next` from a closed set.
Units seconds.
"""

from enum import StrEnum

import msgspec
from msgspec.structs import replace

from uploader.hubspot.error_objects import CONFLICTS
from uploader.pipeline.reply_verdict import Action, Verdict

#: Counted attempts of a batch of several before it is halved, and of a record alone before it is abandoned.
BATCH_ATTEMPTS = 3
RECORD_ATTEMPTS = 7

#: How long a single record is tried from its first failure on, while no other request is under way: if
#: another write has succeeded; if none has (longer than most outages); if the server answers and omits it.
_WRITES_WORK_SECONDS, _NO_WRITES_SECONDS, _SILENT_SECONDS = 60.0, 300.0, 30.0
_BASE_SECONDS = 0.5
_FLOOR_SECONDS = 0.1
_CAP_SECONDS = 30.0


class Evidence(StrEnum):
    """What shows that a failure is the request's own fault and not the server's."""

    NONE = "none"  #: nothing is needed: the task can do without an answer
    PROBE = "probe"  #: a probe of the same kind is answered
    WRITES = "writes"  #: another write has succeeded since the failure before


class GiveUp(msgspec.Struct, frozen=True):
    """When a failing piece is no longer sent as it is."""

    evidence: Evidence
    batch: float = BATCH_ATTEMPTS  #: counted attempts of several items: then they are halved
    alone: float = RECORD_ATTEMPTS  #: and of one

    @property
    def is_of_writes(self) -> bool:
        return self.evidence is Evidence.WRITES


WRITING, READING = GiveUp(Evidence.WRITES), GiveUp(Evidence.PROBE)


class Tail(StrEnum):
    """What to do with a single record that failed again while no other request is under way."""

    WAIT = "wait"
    ASK = "ask"  #: ask whether a write succeeds now; if so, give up at the next failure
    END = "end"


class Next(StrEnum):
    """What follows an attempt."""

    FINISH = "finish"  #: nothing is left open
    AGAIN = "again"  #: the same records once more, after a backoff
    AT_ONCE = "at once"  #: the same records once more, when pause and quota allow
    HALVE = "halve"
    REFUSE = "refuse"  #: a single record was refused: it is at fault
    GIVE_UP = "give up"  #: attempts ran out: ask for the last time, then abandon
    STOP = "stop"


class History(msgspec.Struct, frozen=True):
    """The attempts of a batch so far."""

    attempts: int = 0  #: counted ones
    last_counted: bool = (
        False  #: the last attempt counted: another request had succeeded since the one before
    )
    failures: int = 0  #: in a row, counted or not: what the backoff grows with
    successes_seen: int = 0  #: how many requests of the run had succeeded at the last attempt
    conflicts: int = 0
    probed: bool = False  #: a probe was answered since the last attempt: the server works
    failing_since: float | None = None  #: when the first of the failures in a row was seen
    successes_before: int = 0  #: how many requests of the run had succeeded then
    silent: bool = False  #: the last reply was readable and did not mention what is left

    def after(self, verdict: Verdict, successes: int) -> "History":
        """Return the history with this verdict. An attempt counts only if another request has succeeded
        since the last one.
        """
        retried = verdict.action is Action.RETRY
        counts = retried and successes > self.successes_seen
        return replace(
            self,
            attempts=self.attempts + counts,
            last_counted=counts,
            failures=self.failures + retried,
            successes_seen=successes if retried else self.successes_seen,
            conflicts=self.conflicts + verdict.conflict,
            silent=verdict.silent,
        )

    def counted(self, evidence: Evidence, *, ends: bool) -> int:
        """Return the number of failures that count.

        `ends`: whether a record would be given up. For that, successful reads prove too little if a write
        failed; they are enough to halve a batch, which does no harm.
        """
        if evidence is Evidence.NONE or (self.probed and not (ends and evidence is Evidence.WRITES)):
            return max(self.attempts, self.failures)
        return self.attempts if evidence is Evidence.WRITES else 0

    def failed_at(self, now: float, successes: int) -> "History":
        """Return the history with `now` as the time of the first failure, unless it has one."""
        if self.failing_since is not None:
            return self
        return replace(self, failing_since=now, successes_before=successes)

    def of_half(self) -> "History":
        """Return the history of a half: one more counted failure halves it again, a 409 at once."""
        past = BATCH_ATTEMPTS - 1
        return replace(self, attempts=past, failures=past, probed=False, failing_since=None)


def retry_races(verdict: Verdict, size: int, history: History) -> Verdict:
    """Return a verdict that sends records again whose refusal may come from a race.

    A record whose only unique value is its key cannot conflict with another contact for good. Its own contact
    was in the batch under another address, or was just being created. It is sent again in ever smaller
    batches. `size`: of the batch it was in.
    """
    if history.conflicts and size == 1:
        return verdict
    raced = [
        entry.record
        for entry in verdict.refused
        if entry.refusal.category in CONFLICTS and len(entry.record.lock_keys) == 1
    ]
    if not raced:
        return verdict
    unresolved = sorted([*verdict.unresolved, *raced], key=lambda record: record.position)
    again = Action.SPLIT if history.conflicts else Action.RETRY
    return replace(
        verdict,
        action=verdict.action if verdict.action is Action.STOP else again,
        refused=[entry for entry in verdict.refused if entry.record not in raced],
        unresolved=unresolved,
        conflict=True,
        reason=verdict.reason or "a conflict",
    )


def decide(  # noqa: PLR0911
    verdict: Verdict,
    size: int,
    history: History,
    *,
    whole: bool,
    rule: GiveUp = WRITING,
    is_apart: bool = False,
) -> Next:
    """Return what to do with the `size` items that a verdict left open.

    `history` includes this verdict. `whole`: all that was sent is open; otherwise the rest is sent again as
    it is, smaller already. `is_apart`: the reply answers each item separately.
    """
    if verdict.action is Action.STOP:
        return Next.STOP
    if size == 0:
        return Next.FINISH
    if verdict.conflict and history.conflicts == 1:
        return Next.AGAIN
    if verdict.action is Action.PAUSE or (verdict.action is Action.SPLIT and not whole):
        return Next.AT_ONCE
    alone = size == 1
    if verdict.action is Action.SPLIT and (not alone or verdict.refusal):
        return Next.REFUSE if alone else Next.HALVE
    if alone or is_apart:
        return Next.GIVE_UP if history.counted(rule.evidence, ends=True) >= rule.alone else Next.AGAIN
    return Next.HALVE if history.counted(rule.evidence, ends=False) >= rule.batch else Next.AGAIN


def wants_probe(
    history: History,
    size: int,
    now: float,
    successes: int,
    *,
    rule: GiveUp,
    is_apart: bool = False,
    is_tail: bool = False,
) -> bool:
    """Whether to ask if the server answers, because that may decide what follows for `size` items.

    Without it, a record that breaks the server each time could keep a run from ending: no other request would
    be left to succeed, so none of its attempts would count.
    """
    if rule.evidence is Evidence.NONE or (rule.is_of_writes and successes > history.successes_seen):
        return False
    if size > 1 and not is_apart:
        return history.failures + 1 >= rule.batch
    if rule.evidence is Evidence.PROBE:
        return history.failures + 1 >= rule.alone
    return is_tail and _waited(history, now) >= _probed_seconds(history)


def judge_tail(history: History, now: float) -> Tail:
    """Return what to do with a single record while no other request can show that it is at fault.
    `history` includes its last failure.
    """
    waited = _waited(history, now)
    if history.probed and waited >= _probed_seconds(history):
        return Tail.END
    # A pause may have taken most of the time.
    if waited < _WRITES_WORK_SECONDS or history.failures < RECORD_ATTEMPTS:
        return Tail.WAIT
    return Tail.END if history.last_counted else Tail.ASK


def _waited(history: History, now: float) -> float:
    return 0.0 if history.failing_since is None else now - history.failing_since


def _probed_seconds(history: History) -> float:
    """Return the seconds after which a record is given up if nothing but reads succeeds."""
    return _SILENT_SECONDS if history.silent else _NO_WRITES_SECONDS


def tail_wait_seconds(history: History, now: float, random: float) -> float:
    """Return the backoff of a single record, which ends as soon as the record may be given up."""
    seconds = backoff_seconds(max(1, history.failures), random)
    left = 0.0 if history.failing_since is None else history.failing_since + _WRITES_WORK_SECONDS - now
    return min(seconds, left) if left > 0 else seconds


def backoff_seconds(failures: int, random: float) -> float:
    """Return a backoff with full jitter: between a floor and a cap that doubles; `random` in [0, 1) fixes
    it.
    """
    span = min(_CAP_SECONDS, _BASE_SECONDS * 2.0 ** min(max(failures - 1, 0), 10))
    return max(_FLOOR_SECONDS, span * random)
