"""Settle doubtful snapshot entries of a contact by its history, with `value_before_job`.

In    a `Trace` with doubts, the contact with its history, the `Portal`.
Out   the same trace without doubts: former values, or `undecided` ones that can't be known and are kept.
Raise nothing.
"""

from collections.abc import Callable
from dataclasses import replace

from uploader.hubspot.replies import Result, Version
from uploader.undo.plan import Portal, Trace, has_full_history, is_of_app, is_stored
from uploader.undo.value_before_job import UNKNOWN, Creator, Doubt, find_creator, find_former


def settle(trace: Trace, held: Result | None, portal: Portal) -> Trace:
    """The trace with its doubts settled. `held`: as for `plan.plan`."""
    if held is None or not (trace.doubts or trace.absences):
        return trace
    born_at = None
    if trace.absences:
        creator = _creator(trace, held, portal)
        if creator is not Creator.OTHERS:
            is_unknown = creator is Creator.UNKNOWN
            return replace(trace, was_absent=True, was_there=False, is_creator_unknown=is_unknown)
        trace = replace(trace, was_absent=False, was_there=True)
        born_at = held.created_at
    former, sent, undecided = dict(trace.former), dict(trace.sent), {}
    for name, doubt in trace.doubts.items():
        answer = UNKNOWN
        if has_full_history(name, held, portal):
            answer = find_former(
                doubt,
                held.history.get(name, ()),
                _is_ours(name, trace, portal),
                is_of_app=lambda version: is_of_app(version, portal),
                born_at=born_at,
            )
        if not answer.is_known:
            undecided[name] = _texts(doubt)
        elif answer.text is None:  # the job never wrote it
            former.pop(name, None)
            sent.pop(name, None)
        else:
            former[name] = answer.text
    return replace(trace, former=former, sent=sent, undecided=undecided)


def _creator(trace: Trace, held: Result, portal: Portal) -> Creator:
    """Who created the contact: the job, if any of its readings shows that."""
    without_history = {name for name in trace.sent if not has_full_history(name, held, portal)}
    found = {
        find_creator(
            absence,
            held.created_at,
            held.history,
            without_history=without_history,
            is_ours=lambda version: is_of_app(version, portal),
            is_stored=lambda name, text, version: is_stored(name, text, version.value, portal),
            is_sent=lambda name, version: _is_ours(name, trace, portal)(version),
        )
        for absence in trace.absences
    }
    if Creator.JOB in found:
        return Creator.JOB
    return Creator.UNKNOWN if Creator.UNKNOWN in found else Creator.OTHERS


def _is_ours(name: str, trace: Trace, portal: Portal) -> Callable[[Version], bool]:
    """A function that says whether a version of this property is one that the job wrote."""
    return lambda version: (
        is_of_app(version, portal)
        and any(is_stored(name, text, version.value, portal) for text in trace.sent.get(name, ()))
    )


def _texts(doubt: Doubt) -> tuple[str, ...]:
    return (doubt.first.text, doubt.later.text) if doubt.later else (doubt.first.text,)
