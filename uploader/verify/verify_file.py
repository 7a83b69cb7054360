"""What a job's contacts should hold, and what was found: one SQLite file beside the checkpoint.

Its size grows with the sources; memory does not. It is built in one pass, then settled batch by batch; a
killed `verify` resumes at the last commit.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final
from zlib import crc32

import orjson

from uploader.model.records import EMAIL, display_key
from uploader.pipeline.read_matching import with_reason
from uploader.storage.file_names import verification_path
from uploader.system import sqlite
from uploader.verify.judge import SETTINGS_MISSING, Cell, Checked, Doubt, Finding, Verdict, Wanted

_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE contacts (
    number INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE, id_property TEXT NOT NULL, key TEXT NOT NULL,
    wanted TEXT NOT NULL, others TEXT NOT NULL, row INTEGER NOT NULL, source INTEGER NOT NULL,
    doubt TEXT NOT NULL DEFAULT '', verdict TEXT, hubspot_id TEXT NOT NULL DEFAULT '', findings TEXT
);
CREATE TABLE shared (value TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE owned (value TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX owned_by_number ON owned (number);
"""
#: A power cut may lose a batch, which is read again then.
_SYNCHRONOUS: Final = "NORMAL"
#: The verdict of contacts and links outside the sample.
LEFT_OUT = "left out"
#: Noted once the table of links is complete.
LINKS_BUILT = "links are built"


class VerificationFile(sqlite.Database):
    """The file beside a job's checkpoint."""

    def __init__(self, checkpoint: Path) -> None:
        super().__init__(verification_path(checkpoint))

    def open(self, about: Mapping[str, object], *, restart: bool) -> bool:
        """Resume a verification of the same job, account and sample that has not ended, or begin one; True if
        resumed.
        """
        with self._storing():
            if not restart and self.path.exists():
                self._connection = sqlite.connect(self.path, "rw", synchronous=_SYNCHRONOUS)
                if self._about() == dict(about) and not self._has_ended():
                    return True
                self._connection.close()
            sqlite.remove_database(self.path)
            self._connection = sqlite.connect(self.path, "replace", synchronous=_SYNCHRONOUS)
            self._connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
            self._connection.execute("INSERT INTO about VALUES ('about', ?)", (json.dumps(dict(about)),))
            self._connection.commit()
        return False

    # --- building ---

    @property
    def is_built(self) -> bool:
        return bool(self._all("SELECT 1 FROM about WHERE name = 'built'"))

    def clear(self) -> None:
        """Discard an incomplete build."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM contacts")
            connection.execute("DELETE FROM shared")
            connection.execute("DELETE FROM owned")

    def add_rows(self, wanted: Sequence[tuple[str, Wanted, Doubt]], *, are_corrected: bool = False) -> None:
        """Apply rows in file order: for each, the contact's lock key, what it asks for, and its doubt.
        `are_corrected`: rows that failed before, so that it does not matter whether they were written then.
        """
        settled = Doubt.UNSURE if are_corrected else Doubt.NONE
        with self._transaction() as connection:
            connection.executemany(
                """
                INSERT INTO contacts (value, id_property, key, wanted, others, row, source, doubt)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                ON CONFLICT (value) DO UPDATE SET
                    key = excluded.key, wanted = json_patch(wanted, excluded.wanted),
                    others = json_patch(others, excluded.others), row = excluded.row,
                    source = excluded.source,
                    doubt = CASE WHEN doubt IN ('', ?9) THEN excluded.doubt ELSE doubt END
                """,
                [(value, *_packed(contact), doubt.value, settled.value) for value, contact, doubt in wanted],
            )

    def allow_values(self, value: str, others: Mapping[str, Collection[str]], doubt: Doubt) -> None:
        """Allow other values for a contact: a row that was not confirmed may have been sent."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE contacts SET others = json_patch(others, ?), "
                "doubt = CASE WHEN doubt = '' THEN ? ELSE doubt END "
                "WHERE value = ? OR number IN (SELECT number FROM owned WHERE owned.value = ?)",
                (_packed_others(others), doubt.value, value, value),
            )

    def add_linked_rows(
        self, wanted: Sequence[tuple[tuple[str, ...], Wanted, Doubt]], *, are_corrected: bool = False
    ) -> None:
        """Apply rows that are matched by several properties: for each, all unique values.

        A row belongs to an earlier row's record if that row wrote this row's key as another unique value. If
        the record has a different value since, both are in doubt. `are_corrected`: see `add_rows`.
        """
        settled = Doubt.UNSURE if are_corrected else Doubt.NONE
        with self._transaction() as connection:
            for values, contact, doubt in wanted:
                number = self._apply(connection, values[0], contact, doubt, settled)
                for value in values:
                    self._assign_value(connection, value, number)

    def _apply(
        self, connection: sqlite3.Connection, value: str, contact: Wanted, doubt: Doubt, settled: Doubt
    ) -> int:
        """Add the values of a row to its contact, which is made if needed. Returns the contact's number.
        `settled`: a doubt of the contact that the row ends.
        """
        found = connection.execute("SELECT number FROM owned WHERE value = ?", (value,)).fetchone()
        id_property, key, cells, others, row, source = _packed(contact)
        if found is not None and found[0] < 0:
            self._mark_shared(connection, -found[0])
            found, doubt = None, doubt or Doubt.SHARED
        if found is None:
            cursor = connection.execute(
                "INSERT INTO contacts (value, id_property, key, wanted, others, row, source, doubt) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (value, id_property, key, cells, others, row, source, doubt.value),
            )
            return int(cursor.lastrowid or 0)
        connection.execute(
            "UPDATE contacts SET wanted = json_patch(wanted, ?), others = json_patch(others, ?), row = ?, "
            "source = ?, doubt = CASE WHEN doubt IN ('', ?) THEN ? ELSE doubt END WHERE number = ?",
            (cells, others, row, source, settled.value, doubt.value, found[0]),
        )
        return int(found[0])

    def _assign_value(self, connection: sqlite3.Connection, value: str, number: int) -> None:
        """Assign a unique value to a record. Its former value stays, with the number made negative."""
        former = connection.execute("SELECT number FROM owned WHERE value = ?", (value,)).fetchone()
        if former == (number,):
            return
        if former is not None and former[0] > 0:
            self._mark_shared(connection, former[0])
            self._mark_shared(connection, number)
        name = value[: value.index("=") + 1]
        connection.execute(
            "UPDATE owned SET number = -number WHERE number = ? AND substr(value, 1, ?) = ?",
            (number, len(name), name),
        )
        connection.execute("INSERT OR REPLACE INTO owned VALUES (?, ?)", (value, number))

    def _mark_shared(self, connection: sqlite3.Connection, number: int) -> None:
        connection.execute(
            "UPDATE contacts SET doubt = ? WHERE number = ? AND doubt = ''", (Doubt.SHARED.value, number)
        )

    def note_shared_values(self, values: Iterable[str]) -> None:
        """Note unique values that rows wrote besides their key, in jobs with keys of several properties."""
        with self._transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO shared VALUES (?)", [(value,) for value in values])

    def finish(self, sample: int | None) -> None:
        """Finish the build, after all rows. A sample has the same contacts each time."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE contacts SET doubt = ? WHERE doubt = '' AND value IN (SELECT value FROM shared)",
                (Doubt.SHARED.value,),
            )
            connection.execute(
                "UPDATE contacts SET verdict = ? WHERE doubt != ''", (Verdict.UNCHECKED.value,)
            )
            connection.execute(
                "UPDATE contacts SET findings = "
                "json_array(json_array(verdict, '', '', '', row, source, doubt)) WHERE doubt IN (?, ?)",
                tuple(doubt.value for doubt in SETTINGS_MISSING),
            )
            if sample is not None:
                connection.create_function("hash", 1, lambda value: crc32(value.encode()), deterministic=True)
                connection.execute(
                    """
                    UPDATE contacts SET verdict = ? WHERE verdict IS NULL AND number NOT IN
                        (SELECT number FROM contacts WHERE verdict IS NULL ORDER BY hash(value) LIMIT ?)
                    """,
                    (LEFT_OUT, sample),
                )
            connection.execute(
                "CREATE INDEX unsettled ON contacts (id_property, number) WHERE verdict IS NULL"
            )
            connection.execute("INSERT INTO about VALUES ('built', '1')")

    # --- settling ---

    def unsettled(self, most: int) -> Iterator[list[Wanted]]:
        """Batches of contacts without a verdict, each batch of one id property."""
        for (id_property,) in self._all("SELECT DISTINCT id_property FROM contacts WHERE verdict IS NULL"):
            last = 0
            while rows := self._all(
                """
                SELECT number, key, row, source, wanted, others FROM contacts
                WHERE verdict IS NULL AND id_property = ? AND number > ? ORDER BY number LIMIT ?
                """,
                (id_property, last, most),
            ):
                last = rows[-1][0]
                yield [
                    Wanted(number, id_property, key, row, source, _cells(cells), _others(others))
                    for number, key, row, source, cells, others in rows
                ]

    def settle(self, checked: Sequence[Checked]) -> None:
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE contacts SET verdict = ?, hubspot_id = ?, findings = ? WHERE number = ?",
                [(c.verdict.value, c.hubspot_id, _findings(c.findings), c.number) for c in checked],
            )

    def mark_unknown(self, unknown: Mapping[int, str]) -> None:
        """Mark contacts that HubSpot's replies leave out: by number, HubSpot's reason."""
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE contacts SET verdict = ?, doubt = ? WHERE number = ?",
                [
                    (Verdict.UNCHECKED.value, with_reason(Doubt.UNANSWERED.value, why), number)
                    for number, why in unknown.items()
                ],
            )

    # --- for the links, whose table `links_table` knows ---

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction. StorageError."""
        return self._transaction()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Reads. StorageError."""
        with self._storing():
            yield self._open

    @property
    def has_all_links(self) -> bool:
        """The table of links is complete."""
        return bool(self._all("SELECT 1 FROM about WHERE name = ?", (LINKS_BUILT,)))

    # --- reporting ---

    def counts(self) -> dict[Verdict, int]:
        found = dict(self._all("SELECT verdict, count(*) FROM contacts GROUP BY verdict"))
        return {verdict: found.get(verdict.value, 0) for verdict in Verdict}

    def unsettled_count(self) -> int:
        ((count,),) = self._all("SELECT count(*) FROM contacts WHERE verdict IS NULL")
        return int(count)

    def doubts(self) -> dict[str, int]:
        return dict(
            self._all("SELECT doubt, count(*) FROM contacts WHERE doubt != '' GROUP BY doubt ORDER BY doubt")
        )

    def findings(self, main: str = EMAIL) -> Iterator[tuple[str, str, Finding]]:
        """Key, HubSpot id and finding, in row order.

        Keys of properties other than `main` include the property's name.
        """
        rows = self._open.execute(
            "SELECT id_property, contacts.key, hubspot_id, one.value "
            "FROM contacts, json_each(findings) AS one WHERE findings IS NOT NULL "
            "ORDER BY json_extract(one.value, '$[5]'), json_extract(one.value, '$[4]'), number"
        )
        for name, key, hubspot_id, finding in rows:
            verdict, *rest = orjson.loads(finding)
            yield display_key(key, [f"{name}="], main), hubspot_id, Finding(Verdict(verdict), *rest)

    # --- the file ---

    def _has_ended(self) -> bool:
        about = self._about()
        has_links = isinstance(about, dict) and "links" in about
        if not self.is_built or self.unsettled_count() or (has_links and not self.has_all_links):
            return False
        return not (has_links and self._all("SELECT 1 FROM links WHERE verdict IS NULL LIMIT 1"))

    def _about(self) -> object:
        if not self._open.execute("SELECT 1 FROM sqlite_master").fetchone():
            return None  # killed before there was anything in it
        rows = self._open.execute("SELECT value FROM about WHERE name = 'about'").fetchall()
        return json.loads(rows[0][0]) if rows else None


def _packed(contact: Wanted) -> tuple[str, str, str, str, int, int]:
    cells = {name: [cell.text, cell.row, cell.source] for name, cell in contact.cells.items()}
    packed, others = orjson.dumps(cells).decode(), _packed_others(contact.others)
    return contact.id_property, contact.key, packed, others, contact.row, contact.source


def _packed_others(others: Mapping[str, Collection[str]]) -> str:
    """Other values as JSON objects, which `json_patch` merges; null removes those of a property."""
    packed = {name: dict.fromkeys(texts, 1) if texts else None for name, texts in others.items()}
    return orjson.dumps(packed).decode() if packed else "{}"


def _cells(packed: str) -> dict[str, Cell]:
    return {name: Cell(*cell) for name, cell in orjson.loads(packed).items()}


def _others(packed: str) -> dict[str, Collection[str]]:
    return {name: texts for name, texts in orjson.loads(packed).items() if texts}


def _findings(findings: Sequence[Finding]) -> str | None:
    rows = [(f.verdict, f.property, f.wanted, f.found, f.row, f.source, f.note) for f in findings]
    return orjson.dumps(rows).decode() if rows else None
