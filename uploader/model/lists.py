"""A list of the records that a job has written, and how far it is filled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from uploader.model.counted import counted


class Member(StrEnum):
    """What became of a record that belongs into the list."""

    OPEN = "open"  #: not sent yet
    SENT = "sent"  #: a request with it may have arrived, and no answer came
    DOUBT = "doubt"  #: it is in the list, and an earlier request of the job may have put it there
    ADDED = "added"  #: the job has put it into the list
    ALREADY = "already"  #: it was in the list
    MISSING = "missing"  #: HubSpot has no such record any more
    REMOVED = "removed"  #: `undo` has taken it out again


_SHOWN = (Member.ADDED, Member.ALREADY, Member.MISSING, Member.REMOVED)
_LEFT = (Member.OPEN, Member.SENT, Member.DOUBT)


@dataclass(frozen=True, slots=True)
class ListProgress:
    """How far a job's list is. A record counts once, however many rows it has."""

    name: str
    list_id: str = ""  #: "" before it is found or made
    made: bool = False  #: the job has made the list
    rows_left: int = 0  #: settled rows that were not looked at yet
    members: Mapping[Member, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)  #: why rows that were written have no id
    unlisted: int = 0  #: settled rows that the results file does not have

    @property
    def open(self) -> int:
        return self.rows_left + sum(self.members.get(one, 0) for one in _LEFT)

    @property
    def failed(self) -> int:
        return self.members.get(Member.MISSING, 0) + self.nameless + self.unlisted

    @property
    def nameless(self) -> int:
        """Rows that were written, and whose records were not found."""
        return sum(self.reasons.values())

    @property
    def line(self) -> str:
        where = f" (id {self.list_id}{', made by the job' if self.made else ''})" if self.list_id else ""
        words = (
            (Member.ADDED, "added"),
            (Member.ALREADY, "there before"),
            (Member.MISSING, "not there any more"),
            (Member.REMOVED, "taken out by undo"),
        )
        parts = [f"{self.members[one]:,} {word}" for one, word in words if self.members.get(one)]
        parts += [f"{counted(count, 'row')} without a record ({why})" for why, count in self.reasons.items()]
        parts += [f"{counted(self.unlisted, 'row')} that the results file lacks"] if self.unlisted else []
        parts += [f"{self.open:,} open"] if self.open else []
        return f"list {self.name!r}{where}: {', '.join(parts) or 'no records'}"

    def as_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "id": self.list_id,
            "made": self.made,
            **{one.value: self.members.get(one, 0) for one in _SHOWN},
            "rows_without_id": self.nameless,
            "rows_not_in_results": self.unlisted,
            "open": self.open,
        }
