"""How far the links of a job are: the counts of its summary, as the file of links has them."""

from dataclasses import dataclass, field

from uploader.model.associations import LinkCounts, LinkOutcome
from uploader.storage.associations_file import AssociationsFile


@dataclass(frozen=True, slots=True)
class LinkProgress:
    """The counts of a job's links."""

    counts: LinkCounts = field(default_factory=LinkCounts)
    created: int = 0  #: other records that the job has created
    listed_in: str = ""  #: the file that lists all links; "" where it is not known

    @property
    def open(self) -> int:
        return self.counts.open

    @property
    def failed(self) -> int:
        return self.counts.failed

    @property
    def line(self) -> str:
        counts = self.counts
        parts = [f"{counts.outcomes[one]:,} {one.value}" for one in LinkOutcome if counts.outcomes.get(one)]
        parts += [f"{counts.open:,} open"] if counts.open else []
        text = f"links: {', '.join(parts) or 'none'}"
        text += f"; other records created: {self.created:,}" if self.created else ""
        return text + (f"; see {self.listed_in}" if self.listed_in and (self.failed or self.open) else "")

    def as_dict(self) -> dict[str, object]:
        counts = self.counts
        return {
            "read": counts.read,
            **{one.value: counts.outcomes.get(one, 0) for one in LinkOutcome},
            "open": counts.open,
            "others_created": self.created,
        }


def read_link_progress(file: AssociationsFile, *, listed_in: str = "") -> LinkProgress:
    """The counts of an open file. StorageError."""
    return LinkProgress(file.counts(), file.created_ends(), listed_in)
