"""Records found by the values of a property that need not be unique, such as companies by their domains.

The search has a pace of its own (`rate.search_pace`). It finds a new record only some seconds after it was
made, so what this job has made has to be known otherwise.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from uploader.hubspot.replies import Reply
from uploader.hubspot.reply_decoding import decode_next_page
from uploader.hubspot.requests import MAX_FOUND_IN_ALL, MAX_SEARCH_BYTES, MAX_SEARCHED, encode_search
from uploader.hubspot.transport import Call
from uploader.model.records import DOMAIN
from uploader.pipeline.reply_verdict import Action, classify_search
from uploader.pipeline.requests.attempts import Attempt, Attempts, Judged, Piece, Task
from uploader.pipeline.requests.retry import READING, History, Next
from uploader.records.values.respellings import searchable

#: How accounts may have a domain: HubSpot is said to keep it bare, which is not documented. What the first
#: search does not find is searched for once more.
_PREFIXES = ("", "www.")


@dataclass(frozen=True, slots=True)
class Found:
    """The records that have the values asked for. Each value is in one of the two."""

    #: By value: HubSpot's ids, oldest first, up to 10,000; none where no record has it.
    ids: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)  #: by value: why there is no answer


class RecordSearch:
    """Finds records of one object type by one property. Several `find` may run side by side."""

    def __init__(self, attempts: Attempts, path: str, name: str) -> None:
        """`path`: of the search endpoint of the object type."""
        self.attempts = attempts
        self.path = path
        self.name = name

    async def find(self, values: Collection[str]) -> Found:
        """Find the records of each value, which is compared in its `searchable` form. StopRun if no request
        can succeed.
        """
        forms = {value: searchable(self.name, value) for value in values}
        question = _Question(self)
        for prefix in _PREFIXES if self.name == DOMAIN else ("",):
            question.prefix = prefix
            rest = set(forms.values()) - {"", *question.ids, *question.unknown}
            for chunk in chunks(self.name, [prefix + form for form in sorted(rest)]):
                forms_of_chunk = [value.removeprefix(prefix) for value in chunk]
                await self.attempts.run(question, [Piece(forms_of_chunk)])
            while question.pages:
                items, after = question.pages.pop()
                await self.attempts.run(_Question(self, items, after, question), [Piece(items)])
        ids, unknown = question.ids, question.unknown
        return Found(
            {value: sorted(ids[form], key=_age) for value, form in forms.items() if form not in unknown},
            {value: unknown[form] for value, form in forms.items() if form in unknown},
        )


def chunks(name: str, values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the values of each search: as many as it may have, and its body may hold."""
    empty = len(encode_search(name, ()))
    chunk: list[str] = []
    size = empty
    for value in values:
        more = len(orjson.dumps(value)) + 1
        if chunk and (len(chunk) == MAX_SEARCHED or size + more > MAX_SEARCH_BYTES):
            yield chunk
            chunk, size = [], empty
        chunk.append(value)
        size += more
    if chunk:
        yield chunk


def _age(hubspot_id: str) -> tuple[int, str]:
    """Ids grow with time."""
    return len(hubspot_id), hubspot_id


class _Question(Task[str]):
    """A page of a search for some values in their `searchable` form."""

    give_up_rule = READING

    def __init__(
        self,
        search: RecordSearch,
        paged: Sequence[str] = (),
        after: str = "",
        first: "_Question | None" = None,
    ) -> None:
        """`after`: the place of the page of these `paged` values, for all but the first. `first`: collects
        what is found.
        """
        self._search = search
        self._paged, self._after = paged, after
        self.prefix: str = first.prefix if first else ""  #: of each value, as the account may have it
        self.ids: defaultdict[str, set[str]] = first.ids if first else defaultdict(set)
        self.unknown: dict[str, str] = first.unknown if first else {}
        #: Pages that are to follow: their values and their place.
        self.pages: list[tuple[Sequence[str], str]] = first.pages if first else []

    def call(self, items: Sequence[str]) -> Call:
        # Half of the values has other pages: it is asked for from the first one on.
        after = self._after if len(items) == len(self._paged) else ""
        body = encode_search(self._search.name, [self.prefix + item for item in items], after)
        return Call("POST", self._search.path, body, is_search=True)

    def probe(self, items: Sequence[str]) -> Call:
        """A search for a value that no record has."""
        del items
        return Call("POST", self._search.path, encode_search(self._search.name, ["0"]), is_search=True)

    def judge(self, items: Sequence[str], reply: Reply, history: History) -> Judged[str]:
        del history
        verdict = classify_search(reply)
        return Judged(verdict, () if verdict.action is Action.SETTLE else items)

    async def settle_attempt(self, attempt: Attempt[str]) -> None:
        if attempt.following is Next.REFUSE and attempt.verdict.refusal is not None:
            self.unknown[attempt.open[0]] = attempt.verdict.refusal.message
        if attempt.following is not Next.FINISH:
            return
        reply, name = attempt.reply, self._search.name
        asked = set(attempt.items)
        for one in reply.results:
            held = one.properties.get(name)
            form = searchable(name, held) if isinstance(held, str) else ""
            if one.id and form in asked:
                self.ids[form].add(one.id)
        if after := decode_next_page(reply.body):
            self._turn_page(attempt.items, after)

    def _turn_page(self, items: Sequence[str], after: str) -> None:
        """Ask for the next page, as far as there is one. Beyond the last, ask for each half anew."""
        if not after.isdecimal() or int(after) < MAX_FOUND_IN_ALL:
            self.pages.append((items, after))
        elif len(items) > 1:
            middle = len(items) // 2
            self.pages += [(items[:middle], ""), (items[middle:], "")]

    async def give_up(self, attempt: Attempt[str]) -> None:
        reason = attempt.verdict.reason or "no answer"
        self.unknown |= dict.fromkeys(attempt.open, f"the search got no answer: {reason}")
