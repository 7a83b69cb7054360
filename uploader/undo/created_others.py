"""Archives the records that a job created for its links (--create-missing), unless others have worked with
them since: by the same rules as records of rows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from uploader.hubspot.account import Account
from uploader.hubspot.missing_scopes import PROPERTIES
from uploader.jobs.session import Session
from uploader.model.stop import Cause
from uploader.pipeline.read_matching import with_reason
from uploader.pipeline.sender import OutOfDateError
from uploader.storage.associations_file import AssociationsFile
from uploader.system.blocking_calls import Offload
from uploader.undo.batch_worker import LEFT_OUT, BatchWorker
from uploader.undo.plan import Finding, Portal, Trace, UndoOutcome
from uploader.undo.record_writer import LastUpdated
from uploader.undo.would_be_gone import WouldBeGone

#: Records that are read and archived together.
_PAGE = 100
_PAGE_OF = """
SELECT name, value, hubspot_id, created, undone = 'archiving' FROM ends
WHERE place = ? AND created AND hubspot_id != '' AND undone IN ('', 'failed', 'archiving') AND name > ?
ORDER BY name LIMIT ?
"""
#: Noted before the request: where it is not there afterwards, the undo has archived it, and nobody else.
_ARCHIVING = "archiving"
_NOTE = "UPDATE ends SET undone = ?, undo_why = ? WHERE place = ? AND name = ?"


class CreatedOther(NamedTuple):
    name: str  #: as compared
    value: str
    hubspot_id: str
    created: int  #: as `ends.created`
    is_archiving: int = 0  #: an earlier undo was about to archive it


#: A record, what became of it, and why.
Outcome = tuple[CreatedOther, UndoOutcome, str]


class CreatedOthers:
    """The records that a job created for a column of links. All but `run` belongs to the file's thread."""

    def __init__(self, file: AssociationsFile, place: int, by: str) -> None:
        """`by`: the property that the records were created with."""
        self._file = file
        self._place = place
        self._by = by

    def page(self, after: str) -> list[CreatedOther]:
        with self._file.reading() as connection:
            found = connection.execute(_PAGE_OF, (self._place, after, _PAGE))
            return list(map(CreatedOther._make, found))

    def note_archiving(self, others: Sequence[CreatedOther]) -> None:
        with self._file.transaction() as connection:
            connection.executemany(_NOTE, [(_ARCHIVING, "", self._place, one.name) for one in others])

    def note(self, outcomes: Sequence[Outcome]) -> None:
        values = [(outcome.value, why, self._place, one.name) for one, outcome, why in outcomes]
        with self._file.transaction() as connection:
            connection.executemany(_NOTE, values)

    def counts(self) -> dict[UndoOutcome, int]:
        with self._file.reading() as connection:
            query = (
                "SELECT undone, count(*) FROM ends WHERE place = ? AND undone NOT IN ('', ?) GROUP BY undone"
            )
            found = connection.execute(query, (self._place, _ARCHIVING))
            return {UndoOutcome(name): count for name, count in found}

    async def run(
        self,
        session: Session,
        account: Account,
        app: str,
        writer: Offload,
        *,
        is_dry: bool,
        gone: WouldBeGone,
    ) -> dict[UndoOutcome, int]:
        """Archive them, and return what became of those that were looked at. `session` and `account`: of
        these records' type. `app`: the id of the token's app. `gone`: as `Undo` has it.
        StopRun if it cannot go on.
        """
        schema = account.schema
        if schema is None:
            why = f"the token may not read the properties of the account (scope {account.scope(PROPERTIES)})"
            raise session.ending.stopped(Cause.SCOPE, why)
        worker = BatchWorker(
            session,
            Portal(app, frozenset(schema.labels.keys() - schema.read_only), schema.kinds),
            last_updated=LastUpdated(),
            refused={},
            is_tail=lambda: True,
            archive_touched=False,
            gone=gone,
        )
        counts: Counter[UndoOutcome] = Counter()
        after = ""
        while page := await writer.run(partial(self.page, after)):
            session.ending.raise_if_ending()
            try:
                outcomes = await self._undo(page, worker, writer, is_dry=is_dry)
            except OutOfDateError:  # others may have written meanwhile: they are read again
                continue
            after = page[-1].name
            counts.update(outcome for _, outcome, _ in outcomes)
            if not is_dry:
                await writer.run(partial(self.note, outcomes))
        return counts

    async def _undo(
        self, page: Sequence[CreatedOther], worker: BatchWorker, writer: Offload, *, is_dry: bool
    ) -> Sequence[Outcome]:
        """Archive what may be archived of a page; what became of each, and why. OutOfDateError."""
        plans, left_out = await worker.plan([_trace(n, one, self._by) for n, one in enumerate(page)])
        failed = {number: with_reason(LEFT_OUT, why) for number, why in left_out.items()}
        absent: Mapping[int, Finding] = {}
        if not is_dry:
            todo = [one for one in plans if one.archive]
            await writer.run(partial(self.note_archiving, [page[one.number] for one in todo]))
            refused, absent = await worker.carry_out(todo)
            failed |= {number: one.why for number, one in refused.items()}
        return [
            *((page[number], UndoOutcome.FAILED, why) for number, why in failed.items()),
            *(
                (
                    page[one.number],
                    UndoOutcome.GONE if one.number in absent else one.outcome,
                    "; ".join(dict.fromkeys(finding.why for finding in one.findings)),
                )
                for one in plans
                if one.number not in failed
            ),
        ]


def _trace(number: int, one: CreatedOther, by: str) -> Trace:
    return Trace(
        number,
        one.hubspot_id,
        was_absent=True,
        was_there=False,
        former={},
        sent={by: [one.value.strip()]},
        is_named=one.created == 1,
        archiving=bool(one.is_archiving),
    )
