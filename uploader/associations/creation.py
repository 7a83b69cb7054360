"""Creates other records of links that are not there, by their keys alone: asking twice creates one."""

from collections.abc import Awaitable, Callable, Sequence

from uploader.associations.work_list import End, FoundEnd
from uploader.hubspot.object_types import noun
from uploader.hubspot.replies import Reply
from uploader.hubspot.requests import Paths, encode_read, write_request
from uploader.hubspot.transport import Call
from uploader.model.associations import LinkColumn
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, lock_key
from uploader.pipeline.reply_verdict import Action, classify
from uploader.pipeline.requests.attempts import Attempt, Judged, Task
from uploader.pipeline.requests.retry import History, Next

#: Called with what is known of some records, by name.
Note = Callable[[dict[str, FoundEnd]], Awaitable[None]]


def records_of(ends: Sequence[End], column: LinkColumn) -> list[Record]:
    """The records to be created, each by the position of its end in the list."""
    return [
        Record(
            position=position,
            source=0,
            row=0,
            id_property=column.by,
            key=one.value.strip(),
            lock_keys=(lock_key(column.by, one.value),),
            properties={},
            raw=b"",
        )
        for position, one in enumerate(ends)
    ]


class EndCreator(Task[Record]):
    """The task of one batch. What it has created without learning the id is left to be looked up."""

    def __init__(
        self,
        ends: Sequence[End],
        column: LinkColumn,
        paths: Paths,
        note: Note,
        is_tail: Callable[[], bool],
    ) -> None:
        """`paths`: of the type of these records."""
        self._ends = ends
        self._column = column
        self._paths = paths
        self._note = note
        self._is_tail = is_tail

    def call(self, items: Sequence[Record]) -> Call:
        path, body = write_request(self._paths, items)
        return Call("POST", path, body, shown=self._column.by)

    def probe(self, items: Sequence[Record]) -> Call:
        return Call("POST", self._paths.read, encode_read(items[0].id_property, [items[0].key], []))

    def is_tail(self) -> bool:
        return self._is_tail()

    def judge(self, items: Sequence[Record], reply: Reply, history: History) -> Judged[Record]:
        del history
        verdict = classify(items, reply)
        open_ = sorted([*verdict.unresolved, *verdict.pending], key=lambda one: one.position)
        if reply.maybe_applied and (reply.ok or verdict.action is Action.RETRY):
            for one in open_:
                one.in_doubt = True
        return Judged(verdict, open_)

    async def settle_attempt(self, attempt: Attempt[Record]) -> None:
        verdict = attempt.verdict
        found = {
            self._ends[one.record.position].name: FoundEnd(
                one.hubspot_id, is_created=one.outcome is Outcome.CREATED or one.replayed
            )
            for one in verdict.confirmed
            if one.hubspot_id
        }
        refused = {one.record.position: one.refusal.message for one in verdict.refused}
        if attempt.following is Next.REFUSE and verdict.refusal is not None:
            refused[attempt.open[0].position] = verdict.refusal.message
        await self._note(found | {self._ends[at].name: self._not_created(why) for at, why in refused.items()})

    async def give_up(self, attempt: Attempt[Record]) -> None:
        """Leave them to be looked up: the last attempt may have created them."""

    def _not_created(self, why: str) -> FoundEnd:
        one = noun(self._column.object_type).one
        return FoundEnd(why=f"the {one} could not be created: {why}", is_unclear=True, is_created=False)
