"""Which result and which error of a 2xx reply belong to which record. Draws no conclusions from it.

In    the records of a batch, in source order; the results and errors of its reply.
Out   of `match_in_bulk` the records that are plainly answered; of `ResponseMatch`, for the others, results
      and errors by the position they name, those that name no record, and the records nothing names.
Raise nothing.
Rules A reply that contradicts itself confirms nothing by that: a contact listed twice, two results for one
      record, an entry whose trace id names one record and whose key another. Two addresses of one contact
      look the same in one batch; in smaller batches each is answered separately.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import compress
from typing import NamedTuple, cast

from uploader.hubspot.error_objects import ErrorObject
from uploader.hubspot.replies import Result
from uploader.model.records import EMAIL, OWN_ID, Record, lock_key, lock_keys
from uploader.records.values.compare import are_one_number


class BulkMatch(NamedTuple):
    """The records that are plainly written, each with its result at the same index; and all others."""

    records: Sequence[Record]
    results: Sequence[Result]
    other_records: Sequence[Record]
    other_results: Sequence[Result]


def match_in_bulk(
    records: Sequence[Record], results: Sequence[Result], errors: Sequence[ErrorObject]
) -> BulkMatch:
    """Return the records that are plainly written.

    Exactly one result names such a record: by trace id, or by key if no result has a trace id. The result has
    an id of its own and shows no key but the record's, and nothing else in the reply names the record. So a
    `ResponseMatch` of the other records gives the same answers as one of all records.
    """
    id_property = records[0].id_property
    # Keys and trace ids that something else than a record's own result names.
    named = {trace for error in errors for trace in error.trace_ids}
    named.update(lock_key(id_property, key) for error in errors for key in error.ids)
    blamed = [one for one in records if named and _is_named(one, named)]
    rest = [one for one in records if not _is_named(one, named)] if blamed else records
    if (exact := _match_exactly(id_property, rest, results)) is not None:
        return BulkMatch(rest, exact, blamed, ())
    values = [record.lock_keys[0] for record in records]
    if len(set(values)) < len(values):
        return BulkMatch((), (), records, results)
    keys = lock_keys(id_property, list(map(str.strip, _shown_keys(id_property, results))))
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
    pairs = list(zip(records, answers, strict=True))
    others = [record for record, one in pairs if one is None]
    if len(plain) < len(results):
        own_ids = {one.id for one in plain}
        named.update(key for one, key in zip(results, keys, strict=True) if one.id not in own_ids)
    for record in others:
        named -= {str(record.position), record.lock_keys[0]}
    if named:
        pairs = [(record, None if _is_named(record, named) else one) for record, one in pairs]
        plain = [one for _, one in pairs if one is not None]
        others = [record for record, one in pairs if one is None]
    own_ids = {one.id for one in plain}
    return BulkMatch(
        [record for record, one in pairs if one is not None],
        plain,
        others,
        [one for one in results if one.id not in own_ids] if len(plain) < len(results) else (),
    )


def _match_exactly(
    id_property: str, records: Sequence[Record], results: Sequence[Result]
) -> Sequence[Result] | None:
    """Return the result of each record if all are plainly written and their keys shown as they were sent;
    else None. Most replies are like that, and it is found out without normalising a key.
    """
    ids = [result.id for result in results]
    if not len(records) == len(results) == len(set(ids)) or "" in ids:
        return None
    keys, shown = [record.key for record in records], _shown_keys(id_property, results)
    wanted, names = keys, shown
    if any(traces := [result.trace_id for result in results]):
        wanted, names = [str(record.position) for record in records], traces
    if names != wanted:  # in another order
        answers = list(map(dict(zip(names, results, strict=True)).get, wanted))
        if None in answers:
            return None
        results = cast("list[Result]", answers)
        shown = _shown_keys(id_property, results)
    return results if shown == keys else None


def _is_named(record: Record, names: Collection[str]) -> bool:
    """Whether the record's trace id or key is among these names."""
    return str(record.position) in names or record.lock_keys[0] in names


def _by_name(names: Sequence[str], results: Sequence[Result]) -> dict[str, Result]:
    """Return the results that have a name and an id of their own, by name."""
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


def _shown_keys(id_property: str, results: Iterable[Result]) -> list[str]:
    """Return the key that each result shows; "" if it shows none."""
    if id_property == OWN_ID:
        return [result.id for result in results]
    shown = [result.properties.get(id_property, "") for result in results]
    if set(map(type, shown)) <= {str}:
        return cast("list[str]", shown)
    return [text if isinstance(text, str) else "" for text in shown]


class ResponseMatch:
    """Assigns each result and each error of a reply to a record."""

    def __init__(
        self,
        id_property: str,
        records: Sequence[Record],
        results: Sequence[Result],
        errors: Sequence[ErrorObject],
    ) -> None:
        self._by_trace = {str(record.position): record for record in records}
        self._by_key = {record.lock_keys[0]: record for record in records}
        self._id_property = id_property
        self.blamed: dict[int, ErrorObject] = {}  #: errors, by the position they name
        self.anonymous: list[ErrorObject] = []  #: errors that name no record
        self.named: dict[int, Result] = {}  #: results, by the position they name
        self.nameless: list[Result] = []  #: results that name no record
        self.is_contradictory = False  #: the answer says two things that can't both be true
        self._foreign = 0  # entries that name a record that was not sent
        self._doubtful: set[int] = set()  # positions named by what is contradicted
        self._repeated = _repeated([result.id for result in results]) - {""}  # contacts listed twice
        for error in errors:
            self._take_error(error)
        for result in results:
            self._take_result(result)
        for position in self._doubtful:
            self.named.pop(position, None)
        #: Positions named as both written and refused: the reply says nothing of them.
        self.contradicted = (self.named.keys() | self._doubtful) & self.blamed.keys()
        #: Neither named nor blamed.
        self.silent = [r for r in records if r.position not in self.named and r.position not in self.blamed]

    @property
    def counts_prove(self) -> bool:
        """Whether the results that name no record must belong to the records that nothing names.

        They also have to agree on `new`, or it would be a guess which of them was created.
        """
        return (
            0 < len(self.silent) == len(self.nameless)
            and not (self.anonymous or self.contradicted or self._foreign or self.is_contradictory)
            and len({result.new for result in self.nameless}) == 1
        )

    @property
    def error_has_one_candidate(self) -> bool:
        """Whether the only error that names no record must belong to the only record that nothing names."""
        lone = len(self.silent) == len(self.anonymous) == 1
        return lone and not (self.nameless or self.contradicted or self._foreign or self.is_contradictory)

    def _take_error(self, error: ErrorObject) -> None:
        """Assign an error by trace id, else by key."""
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
        """Assign a result by trace id, else by key."""
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
        """Note that the reply contradicts itself about these records."""
        self.is_contradictory = True
        self._doubtful.update(record.position for record in records)

    def _key_of(self, result: Result) -> str:
        """Return the lock key that a result shows, or ""."""
        key = result.properties.get(self._id_property)
        if self._id_property == OWN_ID:
            key = result.id
        return lock_key(self._id_property, key) if isinstance(key, str) and key else ""

    def _is_of_another(self, record: Record, by_key: Record | None, result: Result) -> bool:
        """Whether the key in a result cannot be that of the record named by its trace id.

        For e-mail, the key may be the contact's primary address, which is none of this batch; for an id, that
        of the record that this one was merged into. Numbers may come back in another spelling.
        """
        if by_key is not None:
            return by_key is not record
        shown = self._key_of(result).partition("=")[2]
        if not shown or self._id_property in {EMAIL, OWN_ID}:
            return False
        return record.key != shown and not are_one_number(record.key, shown)
