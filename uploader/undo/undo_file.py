"""What an undo has to do, has decided and has done: one SQLite file beside the snapshot.

Its size grows with the snapshot; memory does not. A decision is on the disk before its request is sent, so
that a killed undo can tell its own changes from what was there before.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from uploader.errors import CheckpointError
from uploader.model.records import EMAIL
from uploader.storage.file_names import find_job, snapshot_path, undo_path
from uploader.storage.snapshot_entry_state import ReadingState
from uploader.storage.undo_progress import read_undo_progress
from uploader.system import sqlite
from uploader.undo import work_list
from uploader.undo.other_jobs import OtherJobs
from uploader.undo.plan import CREATED_LOST, MAYBE_CREATED, Finding, Plan, Trace, UndoOutcome
from uploader.undo.value_before_job import Absence, Doubt, Reading


@dataclass(frozen=True, slots=True)
class Key:
    """A key that led to no contact before the job."""

    number: int
    value: str  #: its lock key
    id_property: str
    key: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A finding with its contact."""

    outcome: UndoOutcome
    row: int
    source: int
    id_property: str
    key: str
    hubspot_id: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Undone:
    """How far a job is undone."""

    counts: Mapping[UndoOutcome, int]
    left: int
    ended_at: str  #: "" if it has not ended


class UndoFile(sqlite.Database):
    """The file beside a snapshot."""

    def __init__(self, snapshot: Path) -> None:
        """CheckpointError if there is no snapshot."""
        super().__init__(undo_path(snapshot))
        self.snapshot = snapshot
        self.about = _about(snapshot)
        self._others: OtherJobs | None = None

    @property
    def others(self) -> OtherJobs:
        """The other jobs of the folder. Blocks a little at first."""
        if self._others is None:
            self._others = OtherJobs(self.snapshot, self.about)
        return self._others

    def close(self) -> None:
        if self._others is not None:
            self._others.close()
        super().close()
        for attached in (self.snapshot, self.snapshot.with_suffix("")):
            sqlite.remove_empty_log(attached)

    def open(self, *, restart: bool = False, keep: bool = True) -> bool:
        """Resume an undo of the same snapshot, or begin one; True if resumed. Without `keep`, the file is
        temporary and nothing is resumed.
        """
        with self._storing():
            is_there = self.path.exists()
            if not keep:
                if is_there:
                    sqlite.refuse_unsafe_files(self.path)
                self._attach_to(sqlite.connect_unnamed(self.snapshot))
                self._begin(self.path if is_there else None)
                return False
            try:
                return self._resume_or_begin(restart=restart)
            except sqlite3.DatabaseError:
                if not restart:
                    raise
            # Nothing of it can be read.
            self.close()
            sqlite.remove_database(self.path)
            self._resume_or_begin(restart=True)
        return False

    def _resume_or_begin(self, *, restart: bool) -> bool:
        mode: sqlite.Mode = "rw" if self.path.exists() else "create"
        self._attach_to(sqlite.connect(self.path, mode, synchronous="FULL"))
        if not restart and self._is_begun():
            work_list.upgrade(self._open)
            return True
        self._begin()
        return False

    def _is_begun(self) -> bool:
        if not sqlite.columns(self._open, "main", "about"):
            return False  # killed before there was anything in it
        rows = self._open.execute("SELECT value FROM main.about WHERE name = 'snapshot'").fetchall()
        return rows == [(self._state_of_snapshot(),)]

    def _begin(self, earlier: Path | None = None) -> None:
        """Begin an empty work list. `earlier`: an undo file whose begun writes stay known."""
        work_list.begin(self._open, earlier)
        self._write_note("snapshot", self._state_of_snapshot())
        self._open.commit()

    def _attach_to(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        work_list.attach(connection, self.snapshot, self.about["job"])

    # --- the list of work ---

    def copy(self) -> bool:
        """Copy a slice of the snapshot's keys; False after the last one."""
        with self._transaction() as connection:
            return work_list.copy(connection)

    def absent(self, count: int) -> Iterator[list[Key]]:
        """Batches of keys that led to no contact before the job, and are not looked up yet."""
        for (name,) in self._all("SELECT DISTINCT id_property FROM keys ORDER BY 1"):
            last = 0
            while rows := self._all(
                "SELECT number, value, id_property, key FROM keys WHERE number > ? AND fate IS NULL "
                "AND hubspot_id = '' AND id_property = ? ORDER BY number LIMIT ?",
                (last, name, count),
            ):
                last = rows[-1][0]
                yield [Key(*row) for row in rows]

    def resolve(self, found: Mapping[int, str]) -> dict[UndoOutcome, int]:
        """Record the contacts that keys lead to, by number ("" for none). Count the keys settled by it."""
        counts: dict[UndoOutcome, int] = {}
        with self._transaction() as connection:
            for number, leads_to in found.items():
                # A contact that an earlier undo was about to archive may exist under another key.
                hubspot_id = leads_to or self._archived_by(number)
                outcome, findings = UndoOutcome.ALIAS, list[Finding]()
                if not hubspot_id:
                    outcome, findings = self._outcome_without_contact(number)
                elif not self._is_listed(number, hubspot_id):
                    connection.execute(
                        "UPDATE keys SET hubspot_id = ? WHERE number = ?", (hubspot_id, number)
                    )
                    continue
                self._end(connection, number, outcome, findings, 0)
                counts[outcome] = counts.get(outcome, 0) + 1
        return counts

    def _archived_by(self, number: int) -> str:
        """The contact of a key that an earlier undo archived, or was about to; "" if there is none.

        A contact that was named while the job ran has an entry of its own.
        """
        rows = self._all(
            "SELECT archived.hubspot_id FROM archived JOIN keys USING (value) WHERE number = ? "
            "AND NOT EXISTS (SELECT 1 FROM keys AS other WHERE other.hubspot_id = archived.hubspot_id "
            "AND other.contact = keys.contact) ORDER BY archived.hubspot_id DESC LIMIT 1",
            (number,),
        )
        return str(rows[0][0]) if rows else ""

    def _is_listed(self, number: int, hubspot_id: str) -> bool:
        """Whether a contact is listed for a key already, since a reply to the job named it."""
        query = (
            "SELECT 1 FROM keys WHERE hubspot_id = ? AND number != ? "
            "AND contact = (SELECT contact FROM keys WHERE number = ?)"
        )
        return bool(self._all(query, (hubspot_id, number, number)))

    def _outcome_without_contact(self, number: int) -> tuple[UndoOutcome, list[Finding]]:
        """The outcome of a key that led to no contact before the job and leads to none now."""
        # That a row was refused does not mean that another row of its key was not written.
        ((how, is_refused),) = self._all(
            "SELECT how, (SELECT min(outcome = 'rejected') FROM letters WHERE letters.value = keys.value) "
            "AND NOT EXISTS (SELECT 1 FROM snapshot.readings WHERE readings.contact = keys.contact "
            "AND position IS NOT NULL "
            "AND position NOT IN (SELECT position FROM letters WHERE letters.value = keys.value)) "
            "FROM keys WHERE number = ?",
            (number,),
        )
        if is_refused and not how:
            return UndoOutcome.AS_BEFORE, []
        return UndoOutcome.GONE, [Finding("", "", "", "", CREATED_LOST if how else MAYBE_CREATED)]

    def gather(self) -> None:
        """Keep one entry for each contact, its first key. Call it when all keys are resolved."""
        if self._read_note("gathered"):
            return
        with self._transaction() as connection:
            work_list.gather(connection)
            self._write_note("gathered", "yes")

    def reopen_kept(self) -> None:
        """Reopen created contacts that were kept only because others have worked with them."""
        kept = (UndoOutcome.KEPT.value,)
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM findings WHERE number IN "
                "(SELECT number FROM keys WHERE fate = ? AND is_touched)",
                kept,
            )
            connection.execute("UPDATE keys SET fate = NULL WHERE fate = ? AND is_touched", kept)

    def kept_created(self) -> int:
        """The number of contacts that `reopen_kept` reopens."""
        ((count,),) = self._all(
            "SELECT count(*) FROM keys WHERE fate = ? AND is_touched", (UndoOutcome.KEPT.value,)
        )
        return int(count)

    def traces(self, count: int, *, created: bool) -> Iterator[list[Trace]]:
        """Batches of contacts that are not settled: those the job seems to have created, or the others."""
        last = 0
        while rows := self._all(
            "SELECT number, hubspot_id, intent FROM keys WHERE number > ? AND fate IS NULL "
            "AND hubspot_id != '' AND is_created = ? ORDER BY number LIMIT ?",
            (last, created, count),
        ):
            last = rows[-1][0]
            yield [self._trace(*row) for row in rows]

    def _trace(self, number: int, hubspot_id: str, packed: str | None) -> Trace:
        """All that the snapshot knows of one contact."""
        intent = orjson.loads(packed) if packed else {}
        sent: dict[str, list[str]] = {}
        for name, text in self._all(
            "SELECT property, text FROM snapshot.sent JOIN keys ON sent.contact = keys.contact "
            "WHERE hubspot_id = ?",
            (hubspot_id,),
        ):
            sent.setdefault(name, []).append(text)
        ((was_absent, was_there, is_proven, is_named, was_overtaken, absent_at),) = self._all(
            "SELECT max(was_absent), max(NOT was_absent), max(how = 'created'), max(how != ''), "
            "max(how = 'updated'), "
            "min(absent_at) FILTER (WHERE was_absent) FROM keys WHERE hubspot_id = ?",
            (hubspot_id,),
        )
        ((was_archived, was_cleared),) = self._all(
            "SELECT EXISTS (SELECT 1 FROM archived WHERE hubspot_id = ?1), "
            "EXISTS (SELECT 1 FROM cleared WHERE hubspot_id = ?1)",
            (hubspot_id,),
        )
        was_there = was_there and not is_proven
        former, doubts = self._former(hubspot_id)
        return Trace(
            number,
            hubspot_id,
            bool(was_absent),
            bool(was_there),
            former,
            sent,
            archiving=intent.get("archive", False),
            restoring=intent.get("restore", {}),
            was_archived=bool(was_archived),
            was_cleared=bool(was_cleared),
            is_named=bool(is_named),
            was_overtaken=bool(was_overtaken),
            absent_at=absent_at or 0.0,
            readings=self._readings(hubspot_id),
            absences=[] if was_there else self._absences(hubspot_id),
            doubts=doubts,
            others=self.others.writes(hubspot_id),
        )

    def _readings(self, hubspot_id: str) -> list[tuple[float, float]]:
        return self._all(
            "SELECT at, slack FROM snapshot.readings WHERE contact IN "
            "(SELECT contact FROM keys WHERE hubspot_id = ?) ORDER BY at",
            (hubspot_id,),
        )

    def _former(self, hubspot_id: str) -> tuple[dict[str, str], dict[str, Doubt]]:
        """The values of a contact before the job, and those of them that are in doubt."""
        former: dict[str, str] = {}
        doubts: dict[str, Doubt] = {}
        for name, text, reading, state, at, slack, *later, end in self._all(
            "SELECT property, text, first.id, first.state, first.at, first.slack, last.at, later_text, "
            "last.slack, last.id FROM snapshot.former JOIN snapshot.readings AS first ON first.id = reading "
            "LEFT JOIN snapshot.readings AS last ON last.id = later WHERE hubspot_id = ?",
            (hubspot_id,),
        ):
            former[name] = text
            if state != ReadingState.WRITTEN:
                again = Reading(*later) if end is not None else None
                between = self._in_doubt(hubspot_id, reading, end) if again else ()
                doubts[name] = Doubt(Reading(at, text, slack), again, between)
        return former, doubts

    def _in_doubt(self, hubspot_id: str, after: int, before: int) -> list[tuple[float, float]]:
        """The times of reads of a contact after which its row may or may not have been written."""
        return self._all(
            "SELECT at, slack FROM snapshot.readings WHERE id > ? AND id < ? AND state != ? "
            "AND contact IN (SELECT contact FROM keys WHERE hubspot_id = ?)",
            (after, before, ReadingState.WRITTEN.value, hubspot_id),
        )

    def _absences(self, hubspot_id: str) -> list[Absence]:
        """Keys that led to no contact and may have been written since; empty if one certainly was."""
        absences: list[Absence] = []
        firsts: list[Absence] = []
        for contact, how, id_property in self._all(
            "SELECT contact, how, id_property FROM keys WHERE hubspot_id = ? AND was_absent", (hubspot_id,)
        ):
            readings = self._all(
                "SELECT found, state, id, at, slack, asked FROM snapshot.readings "
                "WHERE contact = ? ORDER BY id",
                (contact,),
            )
            # A read that found no contact after another had found it does not count.
            places = [place for place, (found, *_) in enumerate(readings) if found == hubspot_id]
            absent = [one for one in readings[: places[0] if places else None] if not one[0]]
            written = [state == ReadingState.WRITTEN for _, state, *_ in absent]
            if how == "created" or written[-1:] == [True] or (how and not places and any(written)):
                return []
            absences += [
                self._absence(contact, id_property, one)
                for _, state, *one in absent
                if state != ReadingState.WRITTEN
            ]
            firsts += [self._absence(contact, id_property, readings[0][2:])] if not absent else []
        return absences or firsts  # found by a key of a created contact that the snapshot lacks by now

    def _absence(self, contact: int, id_property: str, row: Sequence[Any]) -> Absence:
        reading, at, slack, asked = row
        if asked:
            return Absence(at, orjson.loads(asked), id_property, slack)
        sent = "SELECT property, text FROM snapshot.sent WHERE reading = ? AND contact = ?"
        return Absence(at, dict(self._all(sent, (reading, contact))), id_property, slack)

    # --- what is decided and done ---

    def decide(self, plans: Sequence[Plan]) -> None:
        """Store the plans durably; contacts that need no request are settled."""
        with self._transaction() as connection:
            for plan in plans:
                if plan.writes:
                    # The intents of an earlier undo are kept: they may have been carried out.
                    intent = {"archive": True} if plan.archive else {"restore": dict(plan.restore)}
                    connection.execute(
                        "UPDATE keys SET intent = json_patch(coalesce(intent, '{}'), ?) WHERE number = ?",
                        (orjson.dumps(intent).decode(), plan.number),
                    )
                else:
                    self._settle(connection, plan, plan.outcome, plan.findings)

    def settle(
        self, plans: Sequence[Plan], failed: Mapping[int, Finding], gone: Mapping[int, Finding]
    ) -> None:
        """Store the results of plans that were carried out; `failed` and `gone` by number."""
        with self._transaction() as connection:
            for plan in plans:
                if plan.number in gone:
                    self._settle(connection, plan, UndoOutcome.GONE, [gone[plan.number]])
                elif plan.number in failed:
                    self._settle(connection, plan, UndoOutcome.FAILED, [*plan.findings, failed[plan.number]])
                else:
                    self._settle(connection, plan, plan.outcome, plan.findings)

    def fail(self, numbers: Sequence[int], why: str) -> None:
        """Settle contacts that could not be read."""
        with self._transaction() as connection:
            for number in numbers:
                self._end(connection, number, UndoOutcome.FAILED, [Finding("", "", "", "", why)], 0)

    def _settle(
        self, connection: sqlite3.Connection, plan: Plan, outcome: UndoOutcome, findings: Sequence[Finding]
    ) -> None:
        """Store the outcome of a plan, with its findings."""
        is_done = outcome in {UndoOutcome.RESTORED, UndoOutcome.KEPT}
        self._end(
            connection,
            plan.number,
            outcome,
            findings,
            plan.restored_before + (len(plan.restore) if is_done else 0),
            is_touched=plan.is_touched,
        )

    def _end(
        self,
        connection: sqlite3.Connection,
        number: int,
        outcome: UndoOutcome,
        findings: Sequence[Finding],
        restored: int,
        *,
        is_touched: bool = False,
    ) -> None:
        """Store the outcome of a contact, with its findings."""
        connection.execute(
            "UPDATE keys SET fate = ?, restored = ?, is_touched = ? WHERE number = ?",
            (outcome.value, restored, is_touched, number),
        )
        connection.executemany(
            "INSERT OR REPLACE INTO findings VALUES (?, ?, ?, ?, ?, ?)",
            [(number, f.property, f.ours, f.now, f.source, f.why) for f in findings],
        )

    # --- reporting ---

    def note_end(self, at: str) -> None:
        """Record that all contacts are settled."""
        with self._transaction():
            self._write_note("ended_at", at)

    @property
    def keys_count(self) -> int:
        """The number of keys in the snapshot, with further contacts that they led to while the job ran."""
        ((count,),) = self._all(
            "SELECT max((SELECT count(*) FROM snapshot.contacts), (SELECT count(*) FROM keys))"
        )
        return int(count)

    @property
    def twice_absent(self) -> int:
        """The number of keys that led to no contact before a row that may have been written, and again before
        the next row. If the first row created a contact, it has another key since.
        """
        ((count,),) = self._all(
            "SELECT count(DISTINCT first.contact) FROM snapshot.readings AS first "
            "JOIN snapshot.readings AS next ON next.id = (SELECT min(id) FROM snapshot.readings AS later "
            "WHERE later.contact = first.contact AND later.id > first.id) "
            "WHERE first.found = '' AND first.state != 'written' AND next.found = ''"
        )
        return int(count)

    def counts(self) -> dict[UndoOutcome, int]:
        found = dict(self._all("SELECT fate, count(*) FROM keys WHERE fate IS NOT NULL GROUP BY fate"))
        return {outcome: found.get(outcome.value, 0) for outcome in UndoOutcome}

    def open_counts(self) -> tuple[int, int]:
        """The number of contacts that are not settled: those seemingly created, and others."""
        found = dict(
            self._all("SELECT is_created, count(*) FROM keys WHERE fate IS NULL GROUP BY is_created")
        )
        return found.get(1, 0), found.get(0, 0)

    def values(self) -> tuple[int, int]:
        """The number of values that were restored, and of those that were kept."""
        ((restored,),) = self._all("SELECT coalesce(sum(restored), 0) FROM keys")
        ((kept,),) = self._all("SELECT count(*) FROM findings WHERE property != ''")
        return int(restored), int(kept)

    def kept(self) -> Iterator[Kept]:
        """All findings, in the order of the snapshot."""
        rows = self._open.execute(
            "SELECT fate, row, keys.source, id_property, key, hubspot_id, "
            "property, ours, now, findings.source, why FROM findings JOIN keys USING (number) "
            "ORDER BY contact, number, property"
        )
        for outcome, row, source, id_property, key, hubspot_id, *finding in rows:
            yield Kept(UndoOutcome(outcome), row, source, id_property, key, hubspot_id, Finding(*finding))

    # --- the file ---

    def _read_note(self, name: str) -> str:
        rows = self._all("SELECT value FROM about WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else ""

    def _write_note(self, name: str, value: str) -> None:
        self._open.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))

    def _state_of_snapshot(self) -> str:
        """A text that changes when the job is resumed."""
        ((count,),) = self._all("SELECT count(*) FROM snapshot.contacts")
        return f"{self.about['job']} {self.about.get('runs', '')} {count}"


def read_undone(checkpoint: Path, job: str) -> Undone | None:
    """How far a job is undone; None if no undo was begun, it was declined, or its file can't be read."""
    found = read_undo_progress(checkpoint, job)
    if found is None or not found.is_begun:
        return None
    counts = {outcome: found.outcomes.get(outcome.value, 0) for outcome in UndoOutcome}
    return Undone(counts, found.left, found.ended_at)


def find(named: Path) -> tuple[Path, Path]:
    """The paths of snapshot and checkpoint, given either, or the job's links or list. CheckpointError if
    there is no snapshot.
    """
    checkpoint, number = find_job(named)
    found = snapshot_path(checkpoint, number), checkpoint
    if not found[0].is_file():
        raise CheckpointError(
            f"there is no snapshot {found[0]}; only a job that was run with --snapshot can be undone"
        )
    return found


def _about(snapshot: Path) -> dict[str, str]:
    """The snapshot's notes (job, portal, object type), and the id property of its first contact."""
    try:
        with closing(_open_read_only(snapshot)) as connection:
            about = dict(connection.execute("SELECT name, value FROM about"))
            keys = connection.execute("SELECT id_property FROM contacts ORDER BY number LIMIT 1").fetchall()
    except sqlite3.Error as error:
        raise CheckpointError(f"{snapshot} is not a snapshot of uploader: {error}") from error
    if not {"job", "portal", "object_type"} <= about.keys():
        raise CheckpointError(f"{snapshot} is not a snapshot of uploader")
    return {"id_property": keys[0][0] if keys else EMAIL, **about}


def _open_read_only(path: Path) -> sqlite3.Connection:
    return sqlite.connect(path, "ro", lock_seconds=sqlite.SHORT_LOCK_SECONDS)
