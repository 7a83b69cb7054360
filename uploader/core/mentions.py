"""Whom a 2xx speaks of, and how. What follows from it for each record is not known here.

In    the records of a batch, in source order; the decoded answer.
Out   results and errors by the position they name, those that name nobody, the records nobody named.
Raise nothing.
"""

from collections.abc import Sequence

from uploader.core.error_objects import ErrorObject
from uploader.core.model import Record, closed_value
from uploader.core.wire import Reply, Result


class Mentions:
    """Every result and every error is looked at once."""

    def __init__(self, records: Sequence[Record], reply: Reply) -> None:
        self._by_trace = {str(record.position): record for record in records}
        self._by_key = {record.values[0]: record for record in records}
        self._id_property = records[0].id_property
        self.blamed: dict[int, ErrorObject] = {}  #: errors, by the position they name
        self.anonymous: list[ErrorObject] = []  #: errors that name nobody
        self.named: dict[int, Result] = {}  #: results, by the position they name
        self.nameless: list[Result] = []  #: results that may be anybody's
        self._strangers = 0  # what names a record that was not sent, or one twice: it vouches for nobody
        for error in reply.errors:
            self._take_error(error)
        for result in reply.results:
            self._take_result(result)
        #: Named as written and as refused at once: the answer contradicts itself, so it says nothing.
        self.torn = self.named.keys() & self.blamed.keys()
        #: Neither named nor blamed.
        self.silent = [r for r in records if r.position not in self.named and r.position not in self.blamed]

    @property
    def counts_vouch(self) -> bool:
        """Whether the results that name nobody can only be the records that nobody named.

        They also have to agree on `new`: which of them was created would be a guess otherwise.
        """
        return (
            0 < len(self.silent) == len(self.nameless)
            and not (self.anonymous or self.torn or self._strangers)
            and len({result.new for result in self.nameless}) == 1
        )

    @property
    def error_has_one_candidate(self) -> bool:
        """Whether the only error that names nobody can only be the only silent record's."""
        lone = len(self.silent) == len(self.anonymous) == 1
        return lone and not (self.nameless or self.torn or self._strangers)

    def _take_error(self, error: ErrorObject) -> None:
        keys = [closed_value(self._id_property, key) for key in error.ids]
        culprits = [self._by_trace[trace] for trace in error.trace_ids if trace in self._by_trace]
        culprits = culprits or [self._by_key[key] for key in keys if key in self._by_key]
        for record in culprits:
            self.blamed.setdefault(record.position, error)
        if not culprits and error.trace_ids:
            self._strangers += 1
        elif not culprits:
            # `ids` that are not ours may be HubSpot's own, of any of ours.
            self.anonymous.append(error)

    def _take_result(self, result: Result) -> None:
        """By trace id, else by key.

        A second result for one key is nameless: a contact matched by a secondary address answers with its
        primary one, which may be another record's key. A trace id is our own word: a second one is strange.
        """
        record = self._by_trace.get(result.trace_id)
        if record is None and not result.trace_id:
            key = result.properties.get(self._id_property)
            record = self._by_key.get(closed_value(self._id_property, key)) if isinstance(key, str) else None
        if record is not None and record.position not in self.named:
            self.named[record.position] = result
        elif result.trace_id or not result.id:
            self._strangers += 1
        else:
            self.nameless.append(result)
