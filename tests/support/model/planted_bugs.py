"""Bugs that the tests must find: the uploader with one guarantee broken, by patching."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from uploader.hubspot import error_objects
from uploader.model.records import Record
from uploader.pipeline.batcher import Batcher
from uploader.pipeline.conflict_groups import Groups
from uploader.pipeline.requests import contact_reader
from uploader.pipeline.response_matching import ResponseMatch
from uploader.records.mapper import Mapper
from uploader.storage import snapshot_entry_origins
from uploader.storage.keys_of_one_contact_file import KeysOfOneContactFile
from uploader.storage.results_file import ResultsFile
from uploader.storage.snapshot_entry_state import ReadingState


@contextmanager
def open_a_key_early() -> Iterator[None]:
    """Locks are released when a record is sent, not when it is settled."""
    draw, settle = Batcher.draw, Batcher.settle

    def early(self):
        batch = draw(self)
        settle(self, batch)
        return batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batcher, "draw", early)
        patch.setattr(Batcher, "settle", lambda *_, **__: [])
        patch.setattr(Batcher, "commit", lambda *_: [])
        yield


@contextmanager
def trust_position() -> Iterator[None]:
    """A result without an identifier is matched by its position."""
    take = ResponseMatch._take_result

    def by_place(self, result):
        place = len(self.named)
        records = list(self._by_trace.values())
        if result.trace_id or place >= len(records):
            take(self, result)
        else:
            self.named[records[place].position] = result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResponseMatch, "_take_result", by_place)
        yield


@contextmanager
def count_a_replay_twice() -> Iterator[None]:
    """A replayed row is written to the results file twice."""
    lines = ResultsFile.lines

    def twice(self, settled):
        return lines(self, [*settled, *(settlement for settlement in settled if settlement.replayed)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResultsFile, "lines", twice)
        yield


@contextmanager
def close_the_key_alone() -> Iterator[None]:
    """A row locks its key, but not the address beside it."""
    make = Mapper.map

    def short(self, first, rows):
        mapped = make(self, first, rows)
        for record in mapped:
            if isinstance(record, Record):
                record.lock_keys = record.lock_keys[:1]
        return mapped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Mapper, "map", short)
        yield


@contextmanager
def forget_what_left() -> Iterator[None]:
    """What a row wrote before its reply was lost counts as the contact's former value."""
    decide = contact_reader.decide

    def forgetful(*arguments, in_doubt):
        return decide(*arguments, in_doubt=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contact_reader, "decide", forgetful)
        yield


@contextmanager
def fill_what_is_full() -> Iterator[None]:
    """All values in HubSpot count as blank."""
    decide = contact_reader.decide

    def blind(wanted, held, *arguments, in_doubt):
        return decide(wanted, {} if held else held, *arguments, in_doubt=in_doubt)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contact_reader, "decide", blind)
        yield


@contextmanager
def forget_a_tail() -> Iterator[None]:
    """A row waits for only one of the conflict groups that it touches."""
    follow = Groups._follow

    def short(self, record, touched):
        return follow(self, record, list(touched)[:1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Groups, "_follow", short)
        yield


@contextmanager
def drop_a_value() -> Iterator[None]:
    """A lock is released with the first row that has it, not with the last one."""
    leave = Groups.leave

    def early(self, records):
        released = leave(self, records)
        for record in records:
            for value in record.lock_keys:
                self._newest.pop(value, None)
        return released

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Groups, "leave", early)
        yield


@contextmanager
def open_a_key_before_the_commit() -> Iterator[None]:
    """Locks are released when a record is settled, not when it is committed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Groups, "must_stay", lambda *_: False)
        yield


@contextmanager
def lose_links_at_resume() -> Iterator[None]:
    """Links between keys are lost when a job is resumed."""
    make = KeysOfOneContactFile.__init__

    def forgetful(self, checkpoint):
        make(self, checkpoint)
        if self._connection is not None:
            self._connection.execute("DELETE FROM links")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KeysOfOneContactFile, "__init__", forgetful)
        yield


BUGS = [
    open_a_key_early,
    open_a_key_before_the_commit,
    trust_position,
    count_a_replay_twice,
    close_the_key_alone,
    forget_a_tail,
    drop_a_value,
    lose_links_at_resume,
    forget_what_left,
    fill_what_is_full,
]


# --- of snapshots and undo ---


@contextmanager
def forget_what_was_not_answered() -> Iterator[None]:
    """A row counts as possibly written from its reply on, not from its sending."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contact_reader.PreWriteReader, "note_sent", lambda *_: None)
        yield


@contextmanager
def trust_every_reading() -> Iterator[None]:
    """All readings of a killed run count as made before the job's first write."""

    def certain(*_, **__):
        return ReadingState.WRITTEN

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot_entry_origins, "reading_state", certain)
        yield


@contextmanager
def take_errors_for_absence() -> Iterator[None]:
    """Every error of a read counts as "not found"."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(error_objects.ErrorObject, "is_transient", False)
        patch.setattr(error_objects.ErrorObject, "is_not_found", True)
        yield


UNDO_BUGS = [
    forget_what_was_not_answered,
    trust_every_reading,
    take_errors_for_absence,
]
