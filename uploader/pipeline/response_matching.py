"""Which result and which error of a 2xx belong to which record. What follows from it is not known here.

In    the records of a batch, in source order; the results and errors of its answer.
Out   of `match_in_bulk` the records that are plainly answered; of `ResponseMatch`, for the others, results
      and errors by the position they name, those that name nobody, the records nobody named.
Raise nothing.
Rules An answer that contradicts itself confirms nobody by it: a contact listed twice, two results for one
      record, an entry whose trace id names one record and whose key another. Two addresses of one contact
      look the same in one batch; sent in smaller batches, each is answered by itself.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import compress
from typing import NamedTuple

from uploader.hubspot.error_objects import ErrorObject
from uploader.hubspot.schema import Kind
from uploader.hubspot.wire import OWN_ID, Result
from uploader.model.records import EMAIL, Record, lock_key, lock_keys
from uploader.records.values.compare import Match, compare


class BulkMatch(NamedTuple):
    """The records that are plainly written, each with its result in the same place; and all others."""

    records: Sequence[Record]
    results: Sequence[Result]
    other_records: Sequence[Record]
    other_results: Sequence[Result]


def match_in_bulk(
    records: Sequence[Record], results: Sequence[Result], errors: Sequence[ErrorObject]
) -> BulkMatch:
    """The records that are plainly written, found in bulk.

    Exactly one result names such a record, by trace id, or by key where no result has a trace id. It has an
    id of its own, it shows no key but the record's, and nothing else in the answer mentions the record. So
    `ResponseMatch` of the others says the same of them as `ResponseMatch` of all.
    """
    id_property = records[0].id_property
    values = [record.values[0] for record in records]
    if len(set(values)) < len(values):
        return BulkMatch((), (), records, results)
    keys = _shown_values(id_property, results)
    traces = [result.trace_id for result in results]
    if any(traces):
        wanted = [str(record.position) for record in records]
        answers = list(map(_by_name(traces, results).get, wanted))
        shown = list(map(dict(zip(traces, keys, strict=True)).get, wanted))
        if shown != values:
            nothing = lock_key(id_property, "")
            own = [key in (value, nothing) for key, value in zip(shown, values, strict=True)]
            answers = [one if is_own else None for one, is_own in zip(answers, own, strict=True)]
    else:
        answers = list(map(_by_name(keys, results).get, values))
    plain = [one for one in answers if one is not None]
    if len(plain) == len(records) == len(results) and not errors:
        return BulkMatch(records, plain, (), ())
    pairs = list(zip(records, answers, strict=True))
    others = [record for record, one in pairs if one is None]
    # The keys and trace ids of plainly answered records that something else names, too.
    named = {trace for error in errors for trace in error.trace_ids}
    named.update(lock_key(id_property, key) for error in errors for key in error.ids)
    if len(plain) < len(results):
        own_ids = {one.id for one in plain}
        named.update(key for one, key in zip(results, keys, strict=True) if one.id not in own_ids)
    for record in others:
        named -= {str(record.position), record.values[0]}
    if named:
        pairs = [(r, None if named & {str(r.position), r.values[0]} else one) for r, one in pairs]
        plain = [one for _, one in pairs if one is not None]
        others = [record for record, one in pairs if one is None]
    own_ids = {one.id for one in plain}
    return BulkMatch(
        [record for record, one in pairs if one is not None],
        plain,
        others,
        [one for one in results if one.id not in own_ids] if len(plain) < len(results) else (),
    )


def _by_name(names: Sequence[str], results: Sequence[Result]) -> dict[str, Result]:
    """The results that have a name and an id of their own."""
    found = dict(zip(names, results, strict=True))
    ids = [result.id for result in results]
    if len(found) < len(results) or len(set(ids)) < len(ids) or not all(ids):
        repeated, foreign = _repeated(names), _repeated(ids) | {""}
        own = [one not in foreign and name not in repeated for name, one in zip(names, ids, strict=True)]
        found = dict(compress(zip(names, results, strict=True), own))
    return found


def _repeated(texts: Sequence[str]) -> set[str]:
    if len(set(texts)) == len(texts):
        return set()
    return {text for text, count in Counter(texts).items() if count > 1}


def _shown_values(id_property: str, results: Iterable[Result]) -> list[str]:
    """The key that each result shows, as `lock_key` spells it; of nothing where it shows none."""
    if id_property == OWN_ID:
        return [lock_key(id_property, result.id) for result in results]
    shown = [result.properties.get(id_property, "") for result in results]
    texts = [text if isinstance(text, str) else "" for text in shown]
    return lock_keys(id_property, list(map(str.strip, texts)))


class ResponseMatch:
    """Every result and every error is looked at once."""

    def __init__(
        self,
        id_property: str,
        records: Sequence[Record],
        results: Sequence[Result],
        errors: Sequence[ErrorObject],
    ) -> None:
        self._by_trace = {str(record.position): record for record in records}
        self._by_key = {record.values[0]: record for record in records}
        self._id_property = id_property
        self.blamed: dict[int, ErrorObject] = {}  #: errors, by the position they name
        self.anonymous: list[ErrorObject] = []  #: errors that name nobody
        self.named: dict[int, Result] = {}  #: results, by the position they name
        self.nameless: list[Result] = []  #: results that may be anybody's
        self.is_contradictory = False  #: the answer says two things that can't both be true
        self._foreign = 0  # what names a record that was not sent: it vouches for nobody
        self._doubtful: set[int] = set()  # positions named by what is contradicted
        self._repeated = _repeated([result.id for result in results]) - {""}  # contacts listed twice
        for error in errors:
            self._take_error(error)
        for result in results:
            self._take_result(result)
        for position in self._doubtful:
            self.named.pop(position, None)
        #: Named as written and as refused at once: the answer contradicts itself, so it says nothing.
        self.contradicted = (self.named.keys() | self._doubtful) & self.blamed.keys()
        #: Neither named nor blamed.
        self.silent = [r for r in records if r.position not in self.named and r.position not in self.blamed]

    @property
    def counts_prove(self) -> bool:
        """Whether the results that name nobody can only be the records that nobody named.

        They also have to agree on `new`: which of them was created would be a guess otherwise.
        """
        return (
            0 < len(self.silent) == len(self.nameless)
            and not (self.anonymous or self.contradicted or self._foreign or self.is_contradictory)
            and len({result.new for result in self.nameless}) == 1
        )

    @property
    def error_has_one_candidate(self) -> bool:
        """Whether the only error that names nobody can only be the only silent record's."""
        lone = len(self.silent) == len(self.anonymous) == 1
        return lone and not (self.nameless or self.contradicted or self._foreign or self.is_contradictory)

    def _take_error(self, error: ErrorObject) -> None:
        keys = [lock_key(self._id_property, key) for key in error.ids]
        by_trace = [self._by_trace[trace] for trace in error.trace_ids if trace in self._by_trace]
        by_key = [self._by_key[key] for key in keys if key in self._by_key]
        culprits = by_trace or by_key
        if by_trace and any(record not in by_trace for record in by_key):
            self._contradict(*culprits, *by_key)
            return
        for record in culprits:
            self.blamed.setdefault(record.position, error)
        if not culprits and error.trace_ids:
            self._foreign += 1
        elif not culprits:
            # `ids` that are not ours may be HubSpot's own, of any of ours.
            self.anonymous.append(error)

    def _take_result(self, result: Result) -> None:
        """By trace id, else by key."""
        is_repeated = result.id in self._repeated
        by_trace, by_key = self._by_trace.get(result.trace_id), self._by_key.get(self._key_of(result))
        record = by_trace if result.trace_id else by_key
        if record is None:
            if result.trace_id or not result.id:
                self._foreign += 1
            elif is_repeated:
                self._contradict()
            else:
                self.nameless.append(result)
        elif is_repeated or record.position in self.named or self._is_of_another(record, by_key, result):
            self._contradict(record)
        else:
            self.named[record.position] = result

    def _contradict(self, *records: Record) -> None:
        self.is_contradictory = True
        self._doubtful.update(record.position for record in records)

    def _key_of(self, result: Result) -> str:
        """As `lock_key` spells it; "" where the result doesn't show it."""
        key = result.properties.get(self._id_property)
        if self._id_property == OWN_ID:
            key = result.id
        return lock_key(self._id_property, key) if isinstance(key, str) and key else ""

    def _is_of_another(self, record: Record, by_key: Record | None, result: Result) -> bool:
        """Whether the key that a result shows can't be the record's that its trace id names.

        By e-mail it may be the contact's primary address, which is none of this batch. Numbers come back in
        another spelling.
        """
        if by_key is not None:
            return by_key is not record
        shown = self._key_of(result).partition("=")[2]
        if not shown or self._id_property == EMAIL:
            return False
        return compare(self._id_property, Kind("number"), record.key, shown).match is Match.DIFFERS
