"""The account that a token belongs to, as far as the token may read it."""

from dataclasses import dataclass

from uploader.hubspot.schema import Schema

#: The kind of an account that is neither a sandbox nor a test account.
PRODUCTION = "STANDARD"


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a token; fields that the token may not read are empty."""

    portal: str = ""
    kind: str = ""
    time_zone: str = ""
    utc_offset_seconds: float = 0.0
    schema: Schema | None = None
    ui_domain: str = ""

    @property
    def may_be_production(self) -> bool:
        """Whether it is a production account, or of unknown kind."""
        return self.kind in {"", PRODUCTION}
