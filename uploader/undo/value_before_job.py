"""What was there before a job, where nobody knows whether what was read was read before its first write.

In    readings, and how far the job had come when a process was killed; a value's history.
Out   whether a reading stands, is in doubt or was for nothing; of one in doubt, what was there before.
Raise nothing.
Rules A reading stands if its row was confirmed by the process that read it. It was for nothing if its row
      cannot have left. Else the value's own history decides: the first version after the reading that is the
      job's own was its first write, and the version before it was there before. Where several answers are
      possible, none is given.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from uploader.hubspot.wire import Version
from uploader.storage.snapshot_entry_state import EXACT_SECONDS

#: A row leaves so long after it was read at most, its attempts included. What is written later is not its.
LEAVES_WITHIN_SECONDS = 1_800.0
#: A contact's first values are as old as the contact, but for HubSpot's own rounding.
AT_BIRTH_SECONDS = 2.0
#: A history of so many versions may lack the earliest.
_MOST_VERSIONS = 20


class Reading(NamedTuple):
    """What was read of a value, and when."""

    at: float
    text: str  #: "" for none
    slack: float = EXACT_SECONDS  #: seconds by which the time may be off


@dataclass(frozen=True, slots=True)
class Doubt:
    """What was read of a value: before a sending that nobody knows the end of, and before the next one."""

    first: Reading
    later: Reading | None = None  #: None: it was not read again
    between: Sequence[tuple[float, float]] = ()  #: further ones in doubt: when, and by how much it may be off

    def can_have_written(self, at: float) -> bool:
        """Whether a row that one of these readings was made for can have been sent then."""
        readings = ((self.first.at, self.first.slack), *self.between)
        return any(read - slack <= at <= read + slack + LEAVES_WITHIN_SECONDS for read, slack in readings)


class Answer(NamedTuple):
    """What a history says. `text` is None where the job never wrote the value."""

    is_known: bool
    text: str | None = None


UNKNOWN = Answer(is_known=False)


def find_former(
    doubt: Doubt,
    history: Sequence[Version],
    is_ours: Callable[[Version], bool],
    *,
    is_of_app: Callable[[Version], bool],
    born_at: float | None = None,
) -> Answer:
    """What a value was before the job. `born_at`: somebody else created the contact then.

    `is_ours`: our app wrote it, and the job sent it. `is_of_app`: our app wrote it.
    """
    if any(version.at is None for version in history):
        return UNKNOWN
    versions = sorted(history, key=lambda version: version.at or 0.0)
    firsts = _places(versions, doubt.first)
    if born_at is not None:  # what its creator wrote is not ours, whatever it is
        firsts = [_last_before(versions, born_at + AT_BIRTH_SECONDS)]
    lasts = [len(versions) - 1]
    if doubt.later is not None:
        lasts = _places(versions, doubt.later)
    pairs = [(first, last) for first in firsts for last in lasts if first <= last]
    if born_at is None and doubt.later is not None and doubt.first.text != doubt.later.text:
        pairs = [(first, last) for first, last in pairs if first < last]
    texts = {
        text
        for first, last in pairs
        for text in _between(doubt, versions[: last + 1], first, is_ours, is_of_app)
    }
    return Answer(is_known=True, text=texts.pop()) if len(texts) == 1 else UNKNOWN


def _between(
    doubt: Doubt,
    versions: Sequence[Version],
    first: int,
    is_ours: Callable[[Version], bool],
    is_of_app: Callable[[Version], bool],
) -> Iterator[str | None]:
    """What it may have been."""
    for place in range(first + 1, len(versions)):
        version = versions[place]
        can_be_ours = doubt.can_have_written(version.at or 0.0)
        # HubSpot may store what was sent in a form of its own, and another job may send the same value.
        if is_of_app(version) and (is_ours(version) or can_be_ours):
            yield versions[place - 1].value if place else doubt.first.text
            if is_ours(version) and can_be_ours:
                return
    yield doubt.later.text if doubt.later else None


def _places(versions: Sequence[Version], seen: Reading) -> list[int]:
    """The versions that may have held when this was read; -1: none, but perhaps a default of HubSpot's."""
    found = []
    for place, version in enumerate(versions):
        began = version.at or 0.0
        ended = (versions[place + 1].at or 0.0) if place + 1 < len(versions) else seen.at
        if version.value == seen.text and began - seen.slack <= seen.at <= ended + seen.slack:
            found.append(place)
    is_before_all = not versions or seen.at <= (versions[0].at or 0.0) + seen.slack
    # Where there are many, the earliest may not be told any more.
    if is_before_all and len(versions) < _MOST_VERSIONS:
        found.append(-1)
    return found


def _last_before(versions: Sequence[Version], at: float) -> int:
    return sum((version.at or 0.0) <= at for version in versions) - 1


# --- who created a contact ---


@dataclass(frozen=True, slots=True)
class Absence:
    """A key led to nobody, and its row may have been written since."""

    at: float
    sent: Mapping[str, str]  #: what the row asked for
    id_property: str
    slack: float = EXACT_SECONDS  #: seconds by which the time may be off


class Creator(StrEnum):
    """Who created a contact that a key leads to now."""

    JOB = "the job"
    OTHERS = "others"
    UNKNOWN = "unknown"


def find_creator(
    absence: Absence,
    born_at: float | None,
    history: Mapping[str, Sequence[Version]],
    *,
    without_history: Collection[str] = (),
    is_ours: Callable[[Version], bool],
    is_stored: Callable[[str, str, Version], bool],
    is_sent: Callable[[str, Version], bool],
) -> Creator:
    """By what the contact held when it was created: all that the row asked for, and nothing else.

    `without_history`: properties whose history the answer lacks.
    `is_ours`: an app's version, and the app may be ours. `is_stored`: such a value led to that version;
    `is_sent`: one of those that the job ever sent did.
    """
    if born_at is None:
        return Creator.UNKNOWN
    if born_at < absence.at - absence.slack:
        return Creator.OTHERS  # the key has come to it since
    if born_at > absence.at + absence.slack + LEAVES_WITHIN_SECONDS:
        return Creator.OTHERS  # another job of the same app may send the very same
    at_birth = {
        name: [one for one in versions if abs((one.at or 0.0) - born_at) <= AT_BIRTH_SECONDS]
        for name, versions in history.items()
    }
    is_exact = True
    for name, text in absence.sent.items():
        if not text:
            continue
        if name in without_history or len(history.get(name, ())) >= _MOST_VERSIONS:
            return Creator.UNKNOWN
        first = [one for one in at_birth.get(name, ()) if is_ours(one) and one.value]
        if not first:
            return Creator.OTHERS
        # Else HubSpot may have stored it in a form of its own.
        is_exact = is_exact and any(is_stored(name, text, one) for one in first)
    others = [
        one
        for name, versions in at_birth.items()
        for one in versions
        if name != absence.id_property and one.value and is_ours(one) and not is_sent(name, one)
    ]
    return Creator.JOB if is_exact and not others else Creator.UNKNOWN
