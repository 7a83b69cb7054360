"""One listing of the account's properties. Nothing is written."""

from contextlib import suppress
from dataclasses import dataclass, field, replace

from uploader.hubspot.account import Account
from uploader.hubspot.json_values import as_text
from uploader.hubspot.missing_scopes import PROPERTIES, lack_text
from uploader.jobs.early_ending import Ending
from uploader.jobs.session import Seams, Session, early_end
from uploader.jobs.summary import EarlyEnd
from uploader.model.records import EMAIL
from uploader.model.stop import Cause, StopRun
from uploader.properties.listing import ListedProperty, listed_properties
from uploader.settings import Settings


@dataclass(slots=True)
class Report:
    """The result of a listing."""

    account: Account = field(default_factory=Account)
    properties: list[ListedProperty] = field(default_factory=list)
    hidden_scope: str = ""  #: without which the token does not see sensitive properties
    end: EarlyEnd | None = None

    @property
    def exit_code(self) -> int:
        return 0 if self.end is None else self.end.exit_code(has_begun=False)


class Listing:
    """Call `run` once."""

    def __init__(self, settings: Settings, seams: Seams | None = None) -> None:
        """`settings`: from `account_settings`."""
        self.settings = settings
        self.ending = Ending()
        self.session: Session | None = None  #: None before the first request
        self._seams = seams or Seams()

    async def run(self) -> Report:
        """Read the account and all properties of the object type, sensitive ones included."""
        report = Report()
        async with Session(self.settings, self._seams, self.ending) as session:
            self.session = session
            with suppress(StopRun):
                await self.ending.unless_ended(self._read(session, report))
            report.end = early_end(self.ending, session)
        return report

    async def _read(self, session: Session, report: Report) -> None:
        report.account = await read_account_and_properties(session)
        schema, has_addresses = report.account.schema, self.settings.rules.has_addresses
        assert schema is not None
        report.properties = listed_properties(session.preflight.listed, schema, has_addresses=has_addresses)
        report.hidden_scope = schema.hidden_scope


async def read_account_and_properties(session: Session) -> Account:
    """The account with all properties that the token may see. StopRun if it may see none."""
    session.account = await session.read_account()
    return await read_all_properties(session, session.account)


async def read_all_properties(session: Session, account: Account) -> Account:
    """The account with its properties as they are now, sensitive ones included."""
    has_addresses = session.settings.rules.has_addresses
    schema = await session.preflight.read_properties(has_addresses=has_addresses)
    if schema is None:
        raise StopRun(Cause.SCOPE, f"{lack_text([account.scope(PROPERTIES)])} to read properties")
    schema = await session.preflight.read_sensitive_properties(has_addresses=has_addresses)
    session.account = replace(account, schema=schema)
    return session.account


def created_at_by_name(session: Session) -> dict[str, str]:
    """When each property that was read was created, by name; "" where HubSpot does not say."""
    entries = [one for one in session.preflight.listed if isinstance(one, dict)]
    return {str(one["name"]): as_text(one.get("createdAt")) for one in entries if one.get("name")}


def account_settings(object_type: str, **options: object) -> Settings:
    """Settings for an account and an object type without a job; `options` are those of the connection."""
    return Settings(
        sources=("account",),  # nothing is read from it
        write_results=False,
        match=(EMAIL,),  # as little as anything is matched
        object_type=object_type,
        **options,  # type: ignore[arg-type]  # fields of Settings by name
    )
