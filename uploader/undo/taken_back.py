"""What other jobs wrote to a contact and their undo took back, taken out of the contact's history.

In    the contact with its history; what the snapshots of other jobs know of it (`OtherWrites`); the app's id.
Out   the contact, with a history in which these jobs do not appear.
Raise nothing.
Rules The history has to show it all: the value that the snapshot found, values that the job sent, and the
      first value again, written by our app. What anybody else wrote stays, and so does what was not undone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from uploader.hubspot.replies import Result, Version
from uploader.hubspot.schema import LIFECYCLE_STAGE

#: Whether HubSpot may have made a value of the one that was sent: property, sent, held.
IsStored = Callable[[str, str, str], bool]


@dataclass(frozen=True, slots=True)
class OtherWrites:
    """What the snapshot of another job knows of a contact."""

    job: str  #: the name of its checkpoint
    is_undone: bool  #: at least in part
    former: Mapping[str, str] = field(default_factory=dict)  #: values before that job; "" for none
    sent: Mapping[str, Sequence[str]] = field(default_factory=dict)


def without_taken_back(
    held: Result, others: Sequence[OtherWrites], is_of_app: Callable[[Version], bool], is_stored: IsStored
) -> Result:
    """The contact as if these jobs had not been, as far as they are undone. `others`: newest first."""
    history = dict(held.history)
    for name, whole in held.history.items():
        versions = [*reversed(whole)]  # replies begin with the newest, of one time, too
        versions.sort(key=lambda one: one.at or 0.0)
        count = -1
        while count != len(versions):
            count = len(versions)
            for other in others:
                if other.is_undone and name in other.former and name in other.sent:
                    versions = _without(name, versions, other, is_of_app, is_stored)
        if len(versions) < len(whole):
            history[name] = tuple(reversed(versions))
    return replace(held, history=history)


def _without(
    name: str,
    versions: list[Version],
    other: OtherWrites,
    is_of_app: Callable[[Version], bool],
    is_stored: IsStored,
) -> list[Version]:
    """The versions without the newest round trip of this job: from a former value, and back to it."""
    former = other.former[name]

    def is_sent(one: Version) -> bool:
        is_cleared = name == LIFECYCLE_STAGE and not one.value  # before it is restored
        return is_of_app(one) and (
            is_cleared or any(is_stored(name, text, one.value) for text in other.sent[name])
        )

    for last in range(len(versions) - 1, 0, -1):
        now = versions[last].value
        # A stage that did not go back is not restored, although HubSpot's rule explains it.
        is_back = now == former or (name != LIFECYCLE_STAGE and is_stored(name, former, now))
        if not (is_back and is_of_app(versions[last])):
            continue
        first = last
        while first and is_sent(versions[first - 1]):
            first -= 1
            before = versions[first - 1].value if first else ""
            is_default = not first and name == LIFECYCLE_STAGE  # HubSpot's own has no version
            if is_default or before == former:
                return versions[:first] + versions[last + 1 :]
    return versions


def written_by_newer(name: str, text: str, newer: Sequence[OtherWrites], is_stored: IsStored) -> str:
    """The newer job, not undone, that has written this value; "" if there is none."""
    return next(
        (
            other.job
            for other in newer
            if not other.is_undone and any(is_stored(name, sent, text) for sent in other.sent.get(name, ()))
        ),
        "",
    )
