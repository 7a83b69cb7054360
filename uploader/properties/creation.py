"""One invocation of `create-properties`: create what the account lacks, and record what was made."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path

from uploader.errors import DeclinedError, SettingsError
from uploader.hubspot.account import Account
from uploader.hubspot.json_values import as_moment
from uploader.hubspot.missing_scopes import DETAILS
from uploader.hubspot.new_properties import (
    Created,
    Definition,
    encode_definitions,
    reason_of,
    says_exists,
)
from uploader.hubspot.replies import Reply, whole_error
from uploader.hubspot.requests import MAX_INPUTS
from uploader.hubspot.schema import Schema
from uploader.hubspot.transport import Call
from uploader.jobs.early_ending import Ending
from uploader.jobs.preflight import check_named_portal
from uploader.jobs.session import Seams, Session, early_end, exact_clock
from uploader.jobs.summary import EarlyEnd
from uploader.model.stop import StopRun
from uploader.pipeline.requests.attempts import Piece
from uploader.pipeline.requests.questions import Questions
from uploader.properties.creation_record import (
    CreationRecord,
    Entry,
    State,
    is_record,
    read_record,
    record_path,
)
from uploader.properties.definitions_file import DefinitionsFile
from uploader.properties.run import created_at_by_name, read_account_and_properties, read_all_properties
from uploader.settings import Settings
from uploader.system.blocking_calls import Offload
from uploader.system.private_files import Lock

#: HubSpot's clock, as its replies tell it, is known to a second.
_SLACK_SECONDS = 60.0


@dataclass(slots=True)
class Plan:
    """What a file asks for, compared with the account."""

    account: Account
    object_type: str
    to_create: list[Definition] = field(default_factory=list)
    existing: dict[str, str] = field(default_factory=dict)  #: name -> how it differs from the file, or ""
    ours: list[str] = field(default_factory=list)  #: made by an earlier run


#: Shows a plan. Returns whether the properties may be created.
Approve = Callable[[Plan], Awaitable[bool]]


@dataclass(slots=True)
class Report:
    """The result. Each property of the file is in one of the lists, or left."""

    portal: str = ""
    record: Path | None = None  #: None if nothing was asked for
    created: list[str] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)  #: of these, what an earlier run created
    existing: dict[str, str] = field(default_factory=dict)  #: name -> how it differs from the file, or ""
    refused: dict[str, str] = field(default_factory=dict)  #: name -> why
    left: list[str] = field(default_factory=list)
    requests: int = 0
    elapsed_seconds: float = 0.0
    end: EarlyEnd | None = None

    @property
    def exit_code(self) -> int:
        if self.end is not None:
            return self.end.exit_code(has_begun=bool(self.created))
        return int(bool(self.refused) or any(self.existing.values()))


class Creation:
    """Call `run` once."""

    def __init__(
        self,
        settings: Settings,
        path: Path,
        file: DefinitionsFile,
        seams: Seams | None = None,
        *,
        approve: Approve,
        dry: bool = False,
    ) -> None:
        """`settings`: from `account_settings`, for the object type of the file. `approve` is asked even if
        nothing is to be created. `dry`: create nothing.
        """
        self.settings = settings
        self.ending = Ending()
        self.session: Session | None = None  #: None before the first request
        self.report = Report()
        self._path = path
        self._file = file
        self._seams = seams or Seams()
        self._approve = approve
        self._dry = dry

    async def run(self) -> Report:
        """Create the properties. UploaderError if that can't begin."""
        report, clock = self.report, exact_clock()
        writer, began = self._seams.offload("writer"), clock()
        try:
            async with Session(self.settings, self._seams, self.ending) as session:
                self.session = session
                with suppress(StopRun):
                    await self._run(session, writer)
                report.requests = session.sender.tallies.requests
                report.end = early_end(self.ending, session)
        finally:
            writer.close()
        if self.ending.crash is not None:
            raise self.ending.crash
        report.elapsed_seconds = clock() - began
        return report

    async def _run(self, session: Session, writer: Offload) -> None:
        account = await self.ending.unless_ended(read_account_and_properties(session))
        self._check_account(account)
        self.report.portal = account.portal
        path = record_path(self._path, account.portal)
        lock = Lock(path)
        lock.acquire()
        try:
            record = self._open_record(path, account)
            if settle_asked(record, created_at_by_name(session)) and not self._dry:
                await writer.run(record.write)
            plan = self._plan(account, record)
            self._fill_report(plan, record)
            if await self.ending.unless_ended(self._ask(plan)) and not self._dry:
                await self._create(session, plan, record, writer)
        finally:
            lock.release()

    def _check_account(self, account: Account) -> None:
        if self.settings.portal:
            check_named_portal(self.settings.portal, account)
        if not account.portal:
            raise SettingsError(
                "this token may not read which account it belongs to, so properties that it creates could "
                f"not be removed again; give it the scope {account.scope(DETAILS)}"
            )

    def _open_record(self, path: Path, account: Account) -> CreationRecord:
        """The record of earlier runs, else an empty one."""
        if not path.exists():
            return CreationRecord(path, account.portal, self._file.object_type)
        if not is_record(path):
            raise SettingsError(f"{path} exists and is no record of created properties; move it away")
        record = read_record(path)
        if record.portal != account.portal or record.object_type != self._file.object_type:
            raise SettingsError(
                f"{path} records properties of {record.object_type} in account {record.portal}, not of "
                f"{self._file.object_type} in account {account.portal}; move it away, or rename the file of "
                "definitions"
            )
        return record

    def _plan(self, account: Account, record: CreationRecord) -> Plan:
        plan, schema = Plan(account, self._file.object_type), account.schema
        assert schema is not None
        for one in self._file.definitions:
            if one.name not in schema.labels:
                plan.to_create.append(one)
            elif one.name in record.named(State.CREATED):
                plan.ours.append(one.name)
            else:
                plan.existing[one.name] = difference(one, schema)
        return plan

    async def _ask(self, plan: Plan) -> bool:
        """Have the plan shown and approved. DeclinedError if it is not."""
        if await self._approve(plan):
            return bool(plan.to_create)
        raise DeclinedError("nothing was created")

    # --- creating ---

    async def _create(self, session: Session, plan: Plan, record: CreationRecord, writer: Offload) -> None:
        """Create all that is lacking, with the record ahead of every request."""
        now = session.clocks.server_now().astimezone(UTC).isoformat(timespec="milliseconds")
        for one in plan.to_create:
            record.entries[one.name] = Entry(State.ASKED, now)
        for name in plan.existing:
            record.entries.setdefault(name, Entry(State.EXISTING))
        await writer.run(record.write)
        whys: dict[str, str] = {}

        async def settle(items: Sequence[Definition], reply: Reply) -> None:
            note_reply(record, items, reply, frozenset(one.name for one in questions.in_doubt), whys)
            self._fill_report(plan, record)
            await writer.run(record.write)

        path = f"{session.paths.properties}/batch/create"
        questions = Questions(lambda items: Call("POST", path, encode_definitions(items)), settle)
        batches = [plan.to_create[at : at + MAX_INPUTS] for at in range(0, len(plan.to_create), MAX_INPUTS)]
        self._fill_report(plan, record)
        work = session.attempts.run(questions, [Piece(batch) for batch in batches])
        await session.run_workers([_finished(work)])
        await self.ending.unless_ended(read_all_properties(session, plan.account))
        settle_asked(record, created_at_by_name(session))
        for name in record.named(State.ASKED):
            record.note([name], State.REFUSED, whys.get(name, "HubSpot's reply does not mention it"))
        await writer.run(record.write)
        self._fill_report(plan, record)

    def _fill_report(self, plan: Plan, record: CreationRecord) -> None:
        report, entries = self.report, record.entries
        names = [one.name for one in plan.to_create]
        states = {name: entries[name].state if name in entries else State.ASKED for name in names}
        report.record = record.path if entries else None
        report.earlier = plan.ours
        report.created = [*plan.ours, *(name for name in states if states[name] is State.CREATED)]
        report.existing = {
            **plan.existing,
            **{name: "" for name, state in states.items() if state is State.EXISTING},
        }
        report.refused = {n: entries[n].why for n, state in states.items() if state is State.REFUSED}
        settled = {*report.created, *report.existing, *report.refused}
        report.left = [name for name in states if name not in settled]


async def _finished(work: Awaitable[object]) -> None:
    await work


def difference(one: Definition, schema: Schema) -> str:
    """How an existing property differs from a definition in what decides its values; "" if it does not."""
    type_ = schema.kinds[one.name].type
    if type_ != one.type:
        return f"it has the type {type_}, not {one.type}"
    held = {option.value for option in schema.options.get(one.name, ())}
    if one.type == "enumeration" and (lacking := [o.value for o in one.options if o.value not in held]):
        return f"it lacks the option {lacking[0]!r}"
    return "it has no unique values" if one.is_unique and one.name not in schema.unique else ""


def settle_asked(record: CreationRecord, present: Mapping[str, str]) -> bool:
    """Settle what an unanswered request may have made, by the account's properties: name -> when each was
    created. Whatever was created since it was asked for is ours: it was not there before. Returns whether
    the record is another one now.
    """
    is_changed = False
    for name, entry in record.entries.items():
        if entry.state is State.ASKED and name in present:
            asked, created = as_moment(entry.asked_at), as_moment(present[name])
            is_ours = asked is not None and created is not None and created >= asked - _SLACK_SECONDS
            entry.state = State.CREATED if is_ours else State.EXISTING
            is_changed = True
        if entry.state is State.CREATED and not entry.created_at and present.get(name):
            entry.created_at = present[name]
            is_changed = True
    return is_changed


def note_reply(
    record: CreationRecord,
    items: Sequence[Definition],
    reply: Reply,
    in_doubt: frozenset[str],
    whys: dict[str, str],
) -> None:
    """Note what a definite reply says of the properties. What an earlier request may have made stays open if
    it exists now, and so does what the reply does not mention; `whys` gets what it says of others.
    """
    names = {one.name for one in items}
    if reply.ok:
        created = Created.decode(reply)
        existing, refused = created.existing & names, created.refused
        record.note(created.made & names, State.CREATED)
        whys.update(dict.fromkeys(names, created.nameless) if created.nameless else {})
    else:
        error = whole_error(reply)
        existing = frozenset(names) if says_exists(error) else frozenset()
        refused = {} if existing else dict.fromkeys(names, reason_of(error))
    record.note(existing - in_doubt, State.EXISTING)
    for name, why in refused.items():
        if name in names:
            record.note([name], State.REFUSED, why)
