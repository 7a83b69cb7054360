"""How far something is that follows the rows of a job, such as its links or its list of records."""

from typing import Protocol

#: Their names in the summary.
LINKS, RECORD_LIST = "links", "list"


class Progress(Protocol):
    """Its counts. What has no outcome yet is open, and the same command continues with it."""

    @property
    def open(self) -> int:
        """How much is left; 0 if it is complete."""

    @property
    def failed(self) -> int:
        """How much has ended otherwise than it was asked for."""

    @property
    def line(self) -> str:
        """The counts as one line."""

    def as_dict(self) -> dict[str, object]:
        """The counts as they stand in the summary's JSON."""
