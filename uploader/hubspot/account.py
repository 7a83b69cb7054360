"""The account that a token belongs to, as far as the token may read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from uploader.hubspot.missing_scopes import DOCUMENTED_SCOPES
from uploader.hubspot.schema import Schema

#: The kind of an account that people work in.
PRODUCTION = "STANDARD"
#: The kinds that are made for tests. A kind that HubSpot adds may be one that people work in.
_FOR_TESTS = frozenset({"DEVELOPER_TEST", "SANDBOX", "APP_DEVELOPER"})


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a token; fields that the token may not read are empty."""

    portal: str = ""
    kind: str = ""
    time_zone: str = ""
    utc_offset_seconds: float = 0.0
    schema: Schema | None = None
    ui_domain: str = ""
    lacking: Mapping[str, str] = field(default_factory=dict)  #: scopes that were missing, by what is read

    def scope(self, of: str) -> str:
        """The scope that the token needs to read something: as HubSpot named it, else the documented one."""
        return self.lacking.get(of) or DOCUMENTED_SCOPES.get(of) or "of the object type"

    @property
    def may_be_production(self) -> bool:
        """Whether it is a production account, or of a kind that is not certainly for tests."""
        return self.kind not in _FOR_TESTS
