"""The account that a token belongs to, as far as the token may ask."""

from dataclasses import dataclass

from uploader.hubspot.schema import Schema

#: The kind of an account that is no sandbox and no test.
PRODUCTION = "STANDARD"


@dataclass(frozen=True, slots=True)
class Account:
    """The account a token belongs to; fields are empty where the token may not ask."""

    portal: str = ""
    kind: str = ""
    time_zone: str = ""
    utc_offset_seconds: float = 0.0
    schema: Schema | None = None
    ui_domain: str = ""

    @property
    def may_be_production(self) -> bool:
        """It is one, or nobody may say what it is."""
        return self.kind in {"", PRODUCTION}
