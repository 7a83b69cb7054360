"""Other writers: workflows, people and apps that change records after our writes. Pure.

    [[others]]
    who = "workflow"              # or "human", or another "app"
    name = "Lead routing"         # the name of the workflow, person or app
    property = "hs_lead_status"   # what they set; with `archive = true` they archive the record instead
    value = "OPEN"
    object_type = "contacts"      # the default
    after_seconds = 0             # after the write, by the simulator's clock; 0: before the next request
    on = "any"                    # or "created", "updated": which of our writes it reacts to
    share = 0.05                  # of the records written; chosen by the key, so the same ones each time
    keys = ["a@x.com"]            # only records written by these ids
    match = { tier = "gold" }     # only records written with these values

Every condition given must hold. A rule changes a record once, after its first such write, and triggers no
other rule. The answer to the write does not show the change; a read and the history do.

The sources in histories are recorded for apps and documented for people ("userId:1", the changelog of April
2021). For workflows the `sourceType` is known, and the form of the `sourceId` is assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

from uploader.mockserver.account.object_types import find_kind
from uploader.mockserver.account.store import Source
from uploader.mockserver.faults.toml_tables import ScenarioError

USER_ID = 9586504


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A rule of `[[others]]`."""

    who: Literal["workflow", "human", "app"]
    name: str = ""
    property: str = ""
    value: str = ""
    archive: bool = False
    object_type: str = "contacts"
    after_seconds: float = 0.0
    on: Literal["any", "created", "updated"] = "any"
    share: float | None = None
    keys: tuple[str, ...] = ()
    match: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if bool(self.property) == self.archive:
            raise ScenarioError("name a property to set, or say archive = true")
        if find_kind(self.object_type) is None:
            raise ScenarioError(f"there is no object type {self.object_type!r}")
        if self.share is not None and not 0 <= self.share <= 1:
            raise ScenarioError(f"share must lie between 0 and 1, got {self.share}")
        if self.after_seconds < 0:
            raise ScenarioError(f"after_seconds must not be negative, got {self.after_seconds}")

    def reacts_to(self, place: int, key: str, values: Mapping[str, str], *, new: bool) -> bool:
        """Whether it changes a record written with these values. `place`: the rule's index."""
        if self.on != "any" and (self.on == "created") != new:
            return False
        if self.keys and key not in {wanted.strip().lower() for wanted in self.keys}:
            return False
        if any(values.get(name) != value for name, value in (self.match or {}).items()):
            return False
        return self.share is None or crc32(f"others {place} {key}".encode()) < self.share * 2**32

    def source(self, number: int) -> Source:
        """The source in the history. `number`: the ordinal of the change, from 1."""
        match self.who:
            case "workflow":
                return Source(
                    "AUTOMATION_PLATFORM", f"enrollmentId:{number};actionExecutionIndex:0", self.name
                )
            case "human":
                return Source("CRM_UI", f"userId:{USER_ID}", self.name, USER_ID)
            case "app":
                return Source("INTEGRATION", "999999", self.name)
