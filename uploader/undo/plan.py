"""What to do with one contact so that it is as before a job, as far as nobody else has changed it since.

In    the job's traces (`Trace`: former values, sent values), the contact as HubSpot has it now with its
      history, and the `Portal`: our app, the writable properties, their kinds.
Out   a `Plan`: archive the contact, restore values, or nothing, with a finding for each thing that is kept.
Raise nothing.
Rules A contact that the job created is archived only if nobody else has written any property of it since,
      nobody has worked with it otherwise (`associated_records`), and nothing in it is older than the job. A
      contact that existed before the job is never archived, whichever key leads to it now.
      Of a contact that existed before, each property is judged by itself: it is restored only if it holds a
      value that the job sent and nobody else wrote. HubSpot may have stored it in another form: then its
      history has to show that the job wrote it, for another job of the same app may have sent such a value.
      In doubt it is kept. All that is kept or not found is reported.
From  The sources are those of `PropertyValue` in HubSpot's published client library:
      https://github.com/HubSpot/hubspot-api-nodejs codegen/marketing/events/models/PropertyValue.ts
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from uploader.hubspot.replies import Result, Version
from uploader.hubspot.schema import LIFECYCLE_STAGE, Kind
from uploader.pipeline import value_authors
from uploader.pipeline.read_matching import merged_ids
from uploader.pipeline.value_authors import APP, OWN_SOURCES, written_by
from uploader.records.values.compare import Match, choices, compare, may_be_respelled
from uploader.undo.taken_back import OtherWrites, without_taken_back, written_by_newer
from uploader.undo.value_before_job import AT_BIRTH_SECONDS, LEAVES_WITHIN_SECONDS, Absence, Doubt


class UndoOutcome(StrEnum):
    """The outcome of a contact. Every key of a snapshot ends in exactly one."""

    ARCHIVED = "archived"
    RESTORED = "restored"
    AS_BEFORE = "as before"  #: nothing had to be done
    KEPT = "kept"  #: somebody else has changed it since, or part of it
    GONE = "gone"  #: somebody has deleted or merged it since, or it was not found
    FAILED = "failed"  #: HubSpot refused, or did not answer
    ALIAS = "counted already"  #: another key of the same contact


#: Outcomes with which nothing of the job is left.
UNDONE = frozenset({UndoOutcome.ARCHIVED, UndoOutcome.RESTORED, UndoOutcome.AS_BEFORE, UndoOutcome.ALIAS})

_UNKNOWN = frozenset({"", "UNKNOWN"})
#: The properties that say who created a record.
RECORD_SOURCE = ("hs_object_source", "hs_object_source_id")
#: A row is usually sent so soon after its contact was read.
_SENT_WITHIN_SECONDS = 60.0
#: Values that HubSpot fills in with an app's request are as old as the contact; later ones are another job's.
_FILLED_IN_WITHIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Portal:
    """The account, as far as a plan depends on it."""

    app: str  #: the id of the token's app, as in histories; "" if not known
    writable: frozenset[str]
    kinds: Mapping[str, Kind]


@dataclass(frozen=True, slots=True)
class Trace:
    """What the snapshot knows of a job and one contact, over all keys of the contact."""

    number: int  #: of its first key
    hubspot_id: str
    was_absent: bool  #: at least one of its keys led to no contact before the job
    was_there: bool  #: at least one of its keys led to it before the job
    former: Mapping[str, str]  #: values before the job; "" for none
    sent: Mapping[str, Sequence[str]]  #: by property, all values that the job sent
    archiving: bool = False  #: an earlier undo ended when it was about to archive it
    restoring: Mapping[str, str] = field(default_factory=dict)  #: what that undo was about to write
    was_archived: bool = False  #: an undo before a --restart archived it, or was about to
    was_cleared: bool = False  #: that undo may have cleared its lifecycle stage without restoring it
    is_named: bool = False  #: a reply to the job named the contact
    was_overtaken: bool = False  #: somebody else created it between the read of a key and the write
    absent_at: float = 0.0  #: a time, by HubSpot's clock, when its keys led to no contact; 0: not known
    #: When it was read before a row was sent to it, by HubSpot's clock, and how far each time may be off.
    readings: Sequence[tuple[float, float]] = ()
    #: What a killed run left open, and `settled_doubts.settle` decides: whether its keys led to it,
    #: and which of `former` were read before the job's first write.
    absences: Sequence[Absence] = ()
    doubts: Mapping[str, Doubt] = field(default_factory=dict)
    is_creator_unknown: bool = False
    undecided: Mapping[str, Sequence[str]] = field(
        default_factory=dict
    )  #: by property, the values that it may have had before the job
    others: Sequence[OtherWrites] = ()  #: what other jobs wrote to it, newest first


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a value, or a contact, is kept as it is."""

    property: str  #: "" for the whole contact
    ours: str  #: what the job sent
    now: str  #: what HubSpot has now
    source: str  #: who wrote that
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    number: int
    hubspot_id: str
    outcome: UndoOutcome  #: after `archive` and `restore` are done
    archive: bool = False
    restore: Mapping[str, str] = field(default_factory=dict)
    clear_first: bool = False  #: the lifecycle stage can go back only after it is cleared
    findings: Sequence[Finding] = ()
    restored_before: int = 0  #: number of values that an earlier undo restored
    is_touched: bool = False  #: created by the job, and kept only because others have worked with it

    @property
    def writes(self) -> bool:
        return self.archive or bool(self.restore)


def plan(trace: Trace, held: Result | None, portal: Portal, *, archive_touched: bool = False) -> Plan:
    """Decide what to do with a contact.

    `held`: the contact with the history of `wanted_history`; None if HubSpot says that it does not exist.
    `archive_touched`: archive what the job created even if others have written to it since.
    """
    return _by_newer(_plan(trace, held, portal, archive_touched=archive_touched), trace, portal)


def _plan(trace: Trace, held: Result | None, portal: Portal, *, archive_touched: bool) -> Plan:
    if held is None:
        return _plan_for_deleted(trace)
    if held.id != trace.hubspot_id:
        return _gone(trace, Finding("", "", held.id, "", MERGED_SINCE))
    if trace.was_absent and not trace.was_there:
        creator = _other_creator(held, portal)
        if _is_before(held.created_at, trace) and not trace.is_named:
            return _gone(trace, Finding("", "", held.id, "", TAKEN_OVER))
        if creator:
            why = "it did not exist before the job, but others created it"
            return _kept(trace, [Finding("", "", "", creator, why)])
        return _plan_for_created(trace, held, portal, archive_touched=archive_touched)
    return _plan_for_changed(trace, held, portal)


def as_without_others(trace: Trace, held: Result | None, portal: Portal) -> Result | None:
    """The contact without what other jobs wrote and their undo took back."""
    if held is None or not trace.others:
        return held
    return without_taken_back(
        held,
        trace.others,
        lambda version: is_of_app(version, portal),
        lambda name, sent, text: is_stored(name, sent, text, portal),
    )


def _by_newer(plan_: Plan, trace: Trace, portal: Portal) -> Plan:
    """The plan, with the newer jobs named that have written what is kept."""
    if not trace.others or not plan_.findings:
        return plan_
    found = []
    for one in plan_.findings:
        newer = one.why in {_NOT_SENT, _OTHER_APP} and written_by_newer(
            one.property, one.now, trace.others, lambda name, sent, text: is_stored(name, sent, text, portal)
        )
        found.append(replace(one, why=f"{BY_NEWER}: {newer}; undo that first") if newer else one)
    return replace(plan_, findings=found)


BY_NEWER = "a newer job has written it"
#: Why a contact is gone, or was never found.
DELETED_SINCE = "it was deleted since the job"
MERGED_SINCE = "it was merged into another contact since the job"
TAKEN_OVER = (
    "its key matches a contact that existed before the job; what the job created was merged or deleted"
)
CREATED_LOST = (
    "the job created it, and its key matches no contact: it was deleted or merged since, or the key was "
    "changed"
)
CREATOR_UNKNOWN = "the job may have created it when it was killed, and its history does not show who did"
FORMER_UNKNOWN = (
    "it may have been written before the job was killed, and its history does not show the former value"
)
_NO_FORMER = "it is the job's value, and the snapshot has no former value"
_NOT_SENT = "it is not a value that the job sent"
_OTHER_APP = "an app other than the job has written it"
_NO_HISTORY = "HubSpot returned no history that shows who wrote it"
MAYBE_CREATED = "its key matches no contact, and it is unknown whether the job created one"


def wanted_history(traces: Sequence[Trace], portal: Portal) -> list[str]:
    """The properties whose history a plan for these contacts needs."""
    if any(trace.was_absent for trace in traces):
        return sorted(portal.writable | {name for trace in traces for name in trace.sent})
    return sorted({name for trace in traces for name in (*trace.former, *trace.sent)})


def is_same(name: str, wanted: str, held: str, kinds: Mapping[str, Kind]) -> bool:
    """Whether two values are the same, apart from the notation of numbers, dates, and choices."""
    kind = kinds.get(name, Kind())
    return compare(name, kind, wanted.removeprefix(";") if kind.is_multiple else wanted, held).is_same


def _plan_for_deleted(trace: Trace) -> Plan:
    if trace.archiving:
        return Plan(trace.number, trace.hubspot_id, UndoOutcome.ARCHIVED)
    if trace.was_archived and not trace.was_there:
        return Plan(trace.number, trace.hubspot_id, UndoOutcome.AS_BEFORE)
    return _gone(trace, Finding("", "", "", "", DELETED_SINCE))


def _gone(trace: Trace, finding: Finding) -> Plan:
    return Plan(trace.number, trace.hubspot_id, UndoOutcome.GONE, findings=[finding])


def _kept(trace: Trace, findings: Sequence[Finding]) -> Plan:
    return Plan(trace.number, trace.hubspot_id, UndoOutcome.KEPT, findings=findings)


# --- what the job created ---


def _other_creator(held: Result, portal: Portal) -> str:
    """The other app or user that created the contact; "" if it was our app, or is not known."""
    source, source_id = (_text(held, name) for name in RECORD_SOURCE)
    is_ours = source == APP and (not portal.app or source_id in {"", portal.app})
    if is_ours or source in _UNKNOWN:
        return ""
    return f"{source} ({source_id})" if source_id else source


def _plan_for_created(trace: Trace, held: Result, portal: Portal, *, archive_touched: bool) -> Plan:
    findings = _merged_into(trace, held)
    if trace.is_creator_unknown:
        findings = findings or [Finding("", "", "", "", CREATOR_UNKNOWN)]
    touches = [] if archive_touched else _touches(trace, held, portal)
    if findings or touches:
        return replace(_kept(trace, [*findings, *touches]), is_touched=not findings)
    return Plan(trace.number, trace.hubspot_id, UndoOutcome.ARCHIVED, archive=True)


def _merged_into(trace: Trace, held: Result) -> list[Finding]:
    """A finding if another contact was merged into a created one: by merged ids, or by values older than the
    job.
    """
    versions = [one for history in held.history.values() for one in history if one.source not in OWN_SOURCES]
    is_older = _is_before(held.created_at, trace) or any(_is_before(one.at, trace) for one in versions)
    merged = ";".join(sorted(merged_ids(held)))
    return [Finding("", "", merged, "", "another contact was merged into it")] if is_older or merged else []


def _is_before(at: float | None, trace: Trace) -> bool:
    """Whether a time is before the job wrote the contact's keys."""
    return at is not None and at < trace.absent_at


def _touches(trace: Trace, held: Result, portal: Portal) -> list[Finding]:
    """Findings for the properties that others have written, even if the job has overwritten them since."""
    if not held.history:
        return [Finding("", "", "", "", _NO_HISTORY)]
    without_history = {name for name in trace.sent if not has_full_history(name, held, portal)}
    findings = [
        Finding(name, " | ".join(trace.sent[name]), _text(held, name), "", _NO_HISTORY)
        for name in sorted(without_history)
    ]
    for name in sorted(held.history.keys() - without_history):
        latest = held.latest(name)
        others = [one for one in held.history[name] if _is_foreign(one, portal)]
        version = max(others, key=lambda one: one.at or 0.0, default=latest)
        why = _touched(name, version, trace, held, portal) if version else ""
        if latest and version and why:
            ours = " | ".join(trace.sent.get(name, ()))
            findings.append(Finding(name, ours, latest.value, written_by(version), why))
    return findings


def has_full_history(name: str, held: Result, portal: Portal) -> bool:
    """Whether the history of a property reaches its present value. The reply has to include both."""
    latest = held.latest(name)
    if name == LIFECYCLE_STAGE and latest is None and held.history:
        return True  # HubSpot's own default has no version
    return is_same(name, latest.value if latest else "", _text(held, name), portal.kinds)


def is_of_app(version: Version, portal: Portal) -> bool:
    """Whether our app wrote a version, or an app that may be ours."""
    return value_authors.is_of_app(version, portal.app)


def _is_foreign(version: Version, portal: Portal) -> bool:
    """Whether a user or another app wrote a version, not our app, and not HubSpot by itself."""
    return not is_of_app(version, portal) and version.source not in OWN_SOURCES | _UNKNOWN


def _touched(name: str, version: Version, trace: Trace, held: Result, portal: Portal) -> str:
    """Why a value of a created contact is not the job's; "" if it is, or if HubSpot wrote it by itself."""
    if version.source in OWN_SOURCES:
        return ""
    is_sent = _is_sent(name, version.value, trace, portal)
    if version.source in _UNKNOWN:
        return "" if is_sent else "its history does not show who wrote it"
    if _is_foreign(version, portal):
        return "changed by others since the job"
    if is_sent or _is_of_job(name, version, trace, held, portal):
        return ""
    if name in trace.sent:
        return "" if _is_within(AT_BIRTH_SECONDS, version.at, held.created_at) else _NOT_SENT
    is_at_birth = _is_within(_FILLED_IN_WITHIN_SECONDS, version.at, held.created_at)
    return "" if is_at_birth else _OTHER_APP


def _is_within(seconds: float, at: float | None, other: float | None) -> bool:
    return at is not None and other is not None and abs(at - other) <= seconds


def _is_of_job(name: str, version: Version, trace: Trace, held: Result, portal: Portal) -> bool:
    """Whether the history shows that the job wrote a version, in whatever form HubSpot stored the value.

    Our app has to have written it soon after the job read the contact, and no other value since: another job
    would have. The same value may have been written again. Long after the reading, the text has to show it,
    too.
    """
    sent = set(trace.sent.get(name, ()))
    if len(sent) != 1 or not (portal.app and trace.readings and version.at is not None):
        return False
    (text,), (first, slack) = sent, trace.readings[0]
    if is_stored(name, text, trace.former.get(name, ""), portal):
        return False  # HubSpot may have stored nothing
    since = [
        one
        for one in held.history.get(name, ())
        if is_of_app(one, portal) and (one.at or 0.0) >= first - slack
    ]
    is_alike = may_be_respelled(name, portal.kinds.get(name, Kind()), text, version.value)
    within = LEAVES_WITHIN_SECONDS if is_alike else _SENT_WITHIN_SECONDS
    written_at = min((one.at or 0.0 for one in since), default=0.0)
    return {one.value for one in since} == {version.value} and any(
        at - off <= written_at <= at + off + within for at, off in trace.readings
    )


def _is_sent(name: str, now: str, trace: Trace, portal: Portal) -> bool:
    """Whether a value is exactly what the job left, in whatever notation."""
    sent = trace.sent.get(name, ())
    if any(is_same(name, text, now, portal.kinds) for text in sent):
        return True
    if not portal.kinds.get(name, Kind()).is_multiple:
        return False
    added = {one for text in sent if text.startswith(";") for one in choices(text)}
    bases = [trace.former.get(name, ""), *(text for text in sent if not text.startswith(";"))]
    there = choices(now)
    return any(choices(base) < there <= choices(base) | added for base in bases)


def is_stored(name: str, sent: str, held: str, portal: Portal) -> bool:
    """Whether HubSpot may have made a value of the one that was sent. It does not show who wrote it."""
    return compare(name, portal.kinds.get(name, Kind()), sent, held).match is not Match.DIFFERS


# --- what the job changed ---


def _plan_for_changed(trace: Trace, held: Result, portal: Portal) -> Plan:
    restore: dict[str, str] = {}
    findings: list[Finding] = []
    restored_before = 0
    for name, former in sorted(trace.former.items()):
        now = _text(held, name)
        befores = trace.undecided.get(name, (former,))
        if all(is_same(name, before, now, portal.kinds) for before in befores):
            restored_before += name in trace.restoring
        elif finding := _kept_value(name, now, trace, held, portal):
            findings.append(finding)
        elif name in trace.undecided:
            findings.append(_unknown(name, now, trace, held))
        else:
            restore[name] = former
    findings += _unknown_before(trace, held, portal)
    if restore:
        outcome = UndoOutcome.KEPT if findings else UndoOutcome.RESTORED
    elif findings:
        outcome = UndoOutcome.KEPT
    else:
        outcome = UndoOutcome.RESTORED if restored_before else UndoOutcome.AS_BEFORE
    stage = restore.get(LIFECYCLE_STAGE, "")
    return Plan(
        trace.number,
        trace.hubspot_id,
        outcome,
        restore=restore,
        clear_first=bool(stage and _text(held, LIFECYCLE_STAGE)),
        findings=findings,
        restored_before=restored_before,
    )


def _unknown(name: str, now: str, trace: Trace, held: Result) -> Finding:
    version = held.latest(name) or Version("", "", "")
    return Finding(name, " | ".join(trace.sent.get(name, ())), now, written_by(version), FORMER_UNKNOWN)


def _unknown_before(trace: Trace, held: Result, portal: Portal) -> list[Finding]:
    """Findings for values of the job without a former value in the snapshot, such as after a merge."""
    findings = []
    for name in sorted(trace.sent.keys() - trace.former.keys()):
        now, version = _text(held, name), held.latest(name)
        is_sent = any(is_stored(name, text, now, portal) for text in trace.sent[name])
        is_set = bool(version or now)  # else nobody has ever written it
        # HubSpot may have stored what was sent in a form of its own.
        is_stored_so = trace.was_overtaken and version is not None and is_of_app(version, portal)
        if (is_sent or is_stored_so) and is_set and not (version and _is_foreign(version, portal)):
            ours = " | ".join(trace.sent[name])
            source = written_by(version) if version else ""
            findings.append(Finding(name, ours, now, source, _NO_FORMER if is_sent else _NOT_SENT))
    return findings


def _kept_value(name: str, now: str, trace: Trace, held: Result, portal: Portal) -> Finding | None:
    """The finding for a value that is kept; None if the value is restored."""
    version = held.latest(name) or Version("", "", "")
    sent = trace.sent.get(name, ())
    why = ""
    is_on_its_way = name in trace.restoring or trace.was_cleared  # it is cleared before it is restored
    was_cleared = name == LIFECYCLE_STAGE and is_on_its_way and not now
    if _is_foreign(version, portal):
        why = "changed by others since the job"
    elif not (
        was_cleared or _is_sent(name, now, trace, portal) or _is_of_job(name, version, trace, held, portal)
    ):
        why = _NOT_SENT
    elif not has_full_history(name, held, portal):
        why = _NO_HISTORY
    elif name not in portal.writable:
        why = "the property can no longer be written"
    return Finding(name, " | ".join(sent), now, written_by(version), why) if why else None


def _text(held: Result, name: str) -> str:
    value = held.properties.get(name)
    return value if isinstance(value, str) else ""
