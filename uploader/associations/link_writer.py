"""Sends one batch of links until each of them has an outcome."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from uploader.associations.existing_links import UNKNOWN, read_links
from uploader.associations.link_verdict import Ends, Link, Refused, classify_links
from uploader.hubspot.associations import MOST_LINKS, encode_links
from uploader.hubspot.replies import Reply
from uploader.hubspot.requests import Paths, encode_ids
from uploader.hubspot.transport import Call
from uploader.model.associations import LinkOutcome
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.reply_verdict import Action, classify_optional_read
from uploader.pipeline.requests.attempts import Attempt, Attempts, Judged, Task
from uploader.pipeline.requests.contact_reader import Reader
from uploader.pipeline.requests.retry import History, Next

_LOG = logging.getLogger("uploader")

#: Finding each link that is at fault by halving costs two requests a link.
_MOST_DOUBTFUL = 20

#: Called with links that are made, and with those that are refused.
Settle = Callable[[Sequence[Link], Sequence[Refused]], Awaitable[None]]


@dataclass(slots=True)
class LinkState:
    """What the batches of a pass share."""

    #: How many links a request may have, as far as refusals have said.
    most: int = field(default_factory=lambda: MOST_LINKS)
    #: Links that were refused alone, and none was made since: a fault of all links would look like that.
    doubtful: list[Refused] = field(default_factory=list)


class JudgedLinks(Judged[Link], frozen=True):
    """What a reply means for each link."""

    linked: Sequence[Link] = ()
    refused: Sequence[Refused] = ()


class LinkWriter(Task[Link]):
    """The task of one batch, whose links were read just before."""

    is_depth_first = True

    def __init__(
        self,
        attempts: Attempts,
        paths: Paths,
        ends: Ends,
        state: LinkState,
        settle: Settle,
        *,
        note_in_flight: Callable[[bool], None],
        note_good: Callable[[], None],
        is_tail: Callable[[], bool],
    ) -> None:
        """`paths`: of the rows' object type. `note_good` is called when a batch is answered well."""
        self.known_at = attempts.sender.stalled_seconds
        self.in_doubt: set[int] = set()  #: links that a request without a definite answer may have made
        self._attempts = attempts
        self._paths = paths
        self._ends = ends
        self._state = state
        self._settle = settle
        self._note_in_flight = note_in_flight
        self._note_good = note_good
        self._is_tail = is_tail

    @property
    def most_items(self) -> float:  # type: ignore[override]
        return self._state.most

    def call(self, items: Sequence[Link]) -> Call:
        body = encode_links((one.pair, one.type) for one in items)
        return Call("POST", self._paths.associate.replace("{to}", self._ends.to), body)

    def probe(self, items: Sequence[Link]) -> Call:
        """A read of the links of a record that does not exist."""
        del items
        return Call("POST", self._read_path, encode_ids(["0"]))

    def note_in_flight(self, items: Sequence[Link], in_flight: bool) -> None:
        del items
        self._note_in_flight(in_flight)

    def note_in_doubt(self, items: Sequence[Link]) -> None:
        self.in_doubt.update(one.id for one in items)

    def note_wait(self, seconds: float) -> None:
        self.known_at -= seconds  # others write meanwhile, as in a pause

    def is_tail(self) -> bool:
        return self._is_tail()

    def judge(self, items: Sequence[Link], reply: Reply, history: History) -> Judged[Link]:
        del history
        found = classify_links(items, reply, self._ends)
        if found.most is not None:
            self._state.most = min(self._state.most, found.most)
        if reply.maybe_applied and (reply.ok or found.verdict.action is Action.RETRY):
            self.note_in_doubt(found.open)
        return JudgedLinks(found.verdict, found.open, linked=found.linked, refused=found.refused)

    async def settle_attempt(self, attempt: Attempt[Link]) -> None:
        judged, reply = attempt.judged, attempt.reply
        assert isinstance(judged, JudgedLinks)
        if attempt.following is not Next.FINISH:
            _LOG.info(
                "%d links: HTTP %d %s %s: %s",
                len(attempt.items),
                reply.status,
                reply.category or reply.batch_status,
                reply.correlation_id,
                attempt.following,
                extra={"correlation_id": reply.correlation_id},
            )
        refused = list(judged.refused)
        if attempt.following is Next.REFUSE and attempt.verdict.refusal is not None:
            why = attempt.verdict.refusal.message
            refused.append(Refused(attempt.open[0], LinkOutcome.REJECTED, why))
        if attempt.is_answer:
            self._note_good()
        sure = self._sure(attempt, judged.linked, refused)
        if judged.linked or sure:
            await self._settle(judged.linked, sure)
        if len(self._state.doubtful) >= _MOST_DOUBTFUL:
            raise StopRun(Cause.LINKS, self._state.doubtful[-1].why)

    def _sure(
        self, attempt: Attempt[Link], linked: Sequence[Link], refused: Sequence[Refused]
    ) -> Sequence[Refused]:
        """The refusals that are certainly the links' own: those of a reply that judges each link by itself,
        and, once a link is made, those before.
        """
        doubtful = self._state.doubtful
        if linked:
            refused = [*doubtful, *refused]
            doubtful.clear()
        elif not attempt.reply.ok and len(attempt.items) == 1:
            doubtful += [one for one in refused if one.outcome is LinkOutcome.REJECTED]
            refused = [one for one in refused if one.outcome is not LinkOutcome.REJECTED]
        return refused

    async def give_up(self, attempt: Attempt[Link]) -> None:
        """Read the links, since the last attempt may have made them; those that are not there are pending."""
        reader = Reader(self._attempts, self._read_path, classify_optional_read)
        there = await read_links([one.pair.from_id for one in attempt.open], reader)
        linked, pending = [], []
        for one in attempt.open:
            found = there.get(one.pair.from_id, UNKNOWN)
            if found.has(one.pair.to_id, one.type, is_turned=False):
                linked.append(one)
            else:
                why = f"HubSpot gave no definite answer: {attempt.verdict.reason}"
                pending.append(Refused(one, LinkOutcome.PENDING, why))
        if linked or self._attempts.sender.write_successes > attempt.history.successes_before:
            self._attempts.sender.progressed()  # its failures were its own: nothing else need be failing
        await self._settle(linked, pending)

    @property
    def _read_path(self) -> str:
        return self._paths.associations.replace("{to}", self._ends.to)
