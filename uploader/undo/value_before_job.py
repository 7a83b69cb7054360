"""What a value was before a job, if it is not certain that it was read before the job's first write.

In    readings of the value, and the value's history.
Out   the value before the job, or that it is not known; who created a contact.
Raise nothing.
Rules The first version after the reading that is the job's own is its first write, and the version before it
      is the former value. If several answers are possible, none is given.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from uploader.hubspot.replies import Version
from uploader.storage.snapshot_entry_state import EXACT_SECONDS

#: A row is sent at most this long after its contact was read, retries included. Later writes are not its own.
LEAVES_WITHIN_SECONDS = 1_800.0
#: A contact's first values are as old as the contact, within HubSpot's rounding.
AT_BIRTH_SECONDS = 2.0
#: A history of so many versions may lack the earliest.
_MOST_VERSIONS = 20


class Reading(NamedTuple):
    """A value as it was read, and when."""

    at: float
    text: str  #: "" for none
    slack: float = EXACT_SECONDS  #: seconds by which the time may be off


@dataclass(frozen=True, slots=True)
class Doubt:
    """The readings of a value before a request of unknown result, and before the next request."""

    first: Reading
    later: Reading | None = None  #: None: it was not read again
    between: Sequence[tuple[float, float]] = ()  #: further doubtful readings: time and slack

    def can_have_written(self, at: float) -> bool:
        """Whether a row that one of these readings was made for can have been sent at this time."""
        readings = ((self.first.at, self.first.slack), *self.between)
        return any(read - slack <= at <= read + slack + LEAVES_WITHIN_SECONDS for read, slack in readings)


class Answer(NamedTuple):
    """A former value by its history. `text` is None if the job never wrote the value."""

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
    """What a value was before the job. `born_at`: when somebody else created the contact.

    `is_ours`: our app wrote the version, and the job sent it. `is_of_app`: our app wrote the version.
    """
    if any(version.at is None for version in history):
        return UNKNOWN
    versions = sorted(history, key=lambda version: version.at or 0.0)
    firsts = _places(versions, doubt.first)
    if born_at is not None:  # the creator's values are not ours
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
    """The values that it may have had before the job."""
    for place in range(first + 1, len(versions)):
        version = versions[place]
        can_be_ours = doubt.can_have_written(version.at or 0.0)
        # HubSpot may store a value in another notation, and another job may send the same value.
        if is_of_app(version) and (is_ours(version) or can_be_ours):
            yield versions[place - 1].value if place else doubt.first.text
            if is_ours(version) and can_be_ours:
                return
    yield doubt.later.text if doubt.later else None


def _places(versions: Sequence[Version], seen: Reading) -> list[int]:
    """The indices of versions that may have been current at this reading; -1: none, or HubSpot's default."""
    found = []
    for place, version in enumerate(versions):
        began = version.at or 0.0
        ended = (versions[place + 1].at or 0.0) if place + 1 < len(versions) else seen.at
        if version.value == seen.text and began - seen.slack <= seen.at <= ended + seen.slack:
            found.append(place)
    is_before_all = not versions or seen.at <= (versions[0].at or 0.0) + seen.slack
    # A long history may lack its earliest versions.
    if is_before_all and len(versions) < _MOST_VERSIONS:
        found.append(-1)
    return found


def _last_before(versions: Sequence[Version], at: float) -> int:
    return sum((version.at or 0.0) <= at for version in versions) - 1


# --- who created a contact ---


@dataclass(frozen=True, slots=True)
class Absence:
    """A key that led to no contact, and whose row may have been written since."""

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
    """Who created a contact. It was the job if the first values are those of the row, and no others.

    `without_history`: properties whose history the reply lacks. `is_ours`: our app may have written the
    version. `is_stored`: the version is what HubSpot makes of this value. `is_sent`: the version is what
    HubSpot makes of a value that the job sent.
    """
    if born_at is None:
        return Creator.UNKNOWN
    if born_at < absence.at - absence.slack:
        return Creator.OTHERS  # it existed, and got this key later
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
        # If not, HubSpot may have stored it in another notation.
        is_exact = is_exact and any(is_stored(name, text, one) for one in first)
    others = [
        one
        for name, versions in at_birth.items()
        for one in versions
        if name != absence.id_property and one.value and is_ours(one) and not is_sent(name, one)
    ]
    return Creator.JOB if is_exact and not others else Creator.UNKNOWN
