"""The work list of an undo file: the keys of a snapshot, grouped by the contacts that they lead to.

All functions use the undo file's connection, to which the snapshot is attached as `snapshot`.
"""

import sqlite3
from pathlib import Path

from uploader.system import sqlite
from uploader.undo.plan import TAKEN_OVER

#: `contact`: number in the snapshot; several rows if its key led to several contacts while the job ran.
#: `how`: as `Reached`; "" if no reply named the contact. `absent_at`: until then the key led to no contact.
#: `is_touched`: as in a `Plan`.
_SCHEMA = """
CREATE TABLE main.about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE main.keys (
    number INTEGER PRIMARY KEY, value TEXT NOT NULL, id_property TEXT NOT NULL, key TEXT NOT NULL,
    row INTEGER NOT NULL, source INTEGER NOT NULL, was_absent INTEGER NOT NULL, hubspot_id TEXT NOT NULL,
    is_created INTEGER NOT NULL DEFAULT 0, intent TEXT, fate TEXT, restored INTEGER NOT NULL DEFAULT 0,
    contact INTEGER NOT NULL DEFAULT 0, how TEXT NOT NULL DEFAULT '', absent_at REAL NOT NULL DEFAULT 0,
    is_touched INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX main.keys_by_id ON keys (hubspot_id);
CREATE TABLE main.findings (
    number INTEGER NOT NULL, property TEXT NOT NULL, ours TEXT NOT NULL, now TEXT NOT NULL,
    source TEXT NOT NULL, why TEXT NOT NULL, PRIMARY KEY (number, property)
) WITHOUT ROWID;
"""
_DROP = """
DROP TABLE IF EXISTS main.about; DROP TABLE IF EXISTS main.keys; DROP TABLE IF EXISTS main.findings;
"""
#: What a restart keeps of an earlier undo: keys whose contact it archived or was about to archive, and
#: contacts whose lifecycle stage it may have cleared without restoring it.
_BEGUN = """
CREATE TABLE IF NOT EXISTS main.archived (
    hubspot_id TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (hubspot_id, value)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS main.archived_by_value ON archived (value);
CREATE TABLE IF NOT EXISTS main.cleared (hubspot_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_NOTE_BEGUN = """
INSERT OR IGNORE INTO main.archived SELECT hubspot_id, value FROM {}.keys WHERE hubspot_id IN
    (SELECT hubspot_id FROM {}.keys WHERE json_extract(intent, '$.archive'));
INSERT OR IGNORE INTO main.cleared SELECT hubspot_id FROM {}.keys
    WHERE (fate IS NULL OR fate = 'failed') AND json_extract(intent, '$.restore.lifecyclestage') != '';
"""
_COPY_BEGUN = {
    "archived": "INSERT OR IGNORE INTO main.archived SELECT hubspot_id, value FROM earlier.archived;",
    "cleared": "INSERT OR IGNORE INTO main.cleared SELECT hubspot_id FROM earlier.cleared;",
}
#: Columns that `keys` of version 0.6.2 lacks.
_COLUMNS = (
    "contact INTEGER NOT NULL DEFAULT 0",
    "how TEXT NOT NULL DEFAULT ''",
    "absent_at REAL NOT NULL DEFAULT 0",
    "is_touched INTEGER NOT NULL DEFAULT 0",
)
#: Contacts that are not settled are grouped again, by today's rules. Version 0.6.2 assumed that a key that
#: leads to no contact created none.
_FILL = """
UPDATE keys SET fate = NULL WHERE fate = 'as before' AND was_absent AND hubspot_id = '';
UPDATE keys SET is_touched = 1 WHERE fate = 'kept' AND is_created;
DELETE FROM about WHERE name = 'ended_at' AND EXISTS (SELECT 1 FROM keys WHERE fate IS NULL);
UPDATE keys SET contact = number,
    absent_at = (SELECT entries.absent_at FROM entries WHERE entries.number = keys.number);
UPDATE keys SET fate = NULL WHERE fate = 'counted already' AND EXISTS (
    SELECT 1 FROM keys AS other WHERE other.hubspot_id = keys.hubspot_id AND other.fate IS NULL
);
UPDATE keys SET is_created = 0 WHERE fate IS NULL;
DELETE FROM about WHERE name = 'gathered';
"""
#: HubSpot's time of a read is exact to some seconds. A snapshot of version 0.6.2 has this machine's time,
#: which may have been off by a time zone.
_VIEWS = """
CREATE TEMP VIEW entries AS
    SELECT *, coalesce(seen_at - 60.0, kept_at - 86400.0) AS absent_at FROM snapshot.contacts;
CREATE TEMP VIEW named AS SELECT contact, hubspot_id, how FROM snapshot.reached;
"""
#: The failed rows in the job's checkpoint: the outcome of each, by its key and its position.
_LETTERS = """
CREATE TEMP VIEW letters AS SELECT closed_value AS value, position, outcome FROM job.dead_letters;
"""
_NO_LETTERS = "CREATE TEMP VIEW letters AS SELECT '' AS value, 0 AS position, '' AS outcome WHERE 0;"
#: Keys that led to no contact before the job, and lead now to a contact that existed before the job.
_TAKEN_OVER = """
CREATE TEMP VIEW taken_over AS SELECT number FROM main.keys
WHERE fate IS NULL AND was_absent AND how NOT IN ('created', 'updated') AND hubspot_id IN (
    SELECT hubspot_id FROM main.keys WHERE NOT was_absent AND how != 'updated'
    EXCEPT SELECT hubspot_id FROM main.keys WHERE how = 'created'
);
"""
#: For a key that led to no contact, `hubspot_id` is the contact that a reply named. If the first reply called
#: it updated, somebody else created it between the read and the write: the reply is surer than the read.
_COPY = """
INSERT INTO keys (
    number, contact, value, id_property, key, row, source, absent_at, was_absent, hubspot_id, how
)
SELECT number, number, value, id_property, key, row, source, absent_at,
    entries.hubspot_id = '' AND coalesce(best.how, '') != 'updated',
    CASE WHEN entries.hubspot_id != '' THEN entries.hubspot_id ELSE coalesce(best.hubspot_id, '') END,
    CASE WHEN entries.hubspot_id != '' THEN '' ELSE coalesce(best.how, '') END
FROM entries LEFT JOIN named AS best ON best.contact = number AND best.hubspot_id = (
    SELECT named.hubspot_id FROM named WHERE named.contact = number AND named.how != 'other'
    ORDER BY named.hubspot_id = '', named.how != 'created' LIMIT 1
)
WHERE number > ? ORDER BY number LIMIT ?
"""
_COPY_FURTHER = """
INSERT INTO keys (contact, value, id_property, key, row, source, absent_at, was_absent, hubspot_id, how)
SELECT entries.number, value, id_property, key, row, source, absent_at,
    how = 'created' OR (entries.hubspot_id = '' AND how NOT IN ('other', 'updated')), named.hubspot_id, how
FROM named JOIN entries ON entries.number = named.contact
WHERE named.hubspot_id != '' AND NOT EXISTS (
    SELECT 1 FROM keys WHERE keys.hubspot_id = named.hubspot_id AND keys.contact = named.contact
)
"""
#: Keys that led to no contact before a request of unknown result: they may lead to a contact that no reply
#: named, in addition to those that were named before.
_COPY_IN_DOUBT = """
INSERT INTO keys (contact, value, id_property, key, row, source, absent_at, was_absent, hubspot_id, how)
SELECT number, value, id_property, key, row, source, absent_at, 1, '', ''
FROM snapshot.readings AS last JOIN entries ON number = last.contact
WHERE last.state != 'written' AND last.found = ''
AND last.id = (SELECT max(id) FROM snapshot.readings WHERE contact = number)
AND (hubspot_id != '' OR EXISTS (SELECT 1 FROM named WHERE contact = number AND named.hubspot_id != ''))
AND number NOT IN (SELECT contact FROM keys WHERE was_absent AND how = '')
"""
_GATHER = """
UPDATE keys SET fate = 'counted already' WHERE fate IS NULL AND hubspot_id != '' AND number > (
    SELECT min(number) FROM keys AS other WHERE other.hubspot_id = keys.hubspot_id AND other.fate IS NULL
);
UPDATE keys SET is_created = 1 WHERE fate IS NULL AND hubspot_id != '' AND (
    EXISTS (SELECT 1 FROM keys AS other WHERE other.hubspot_id = keys.hubspot_id AND other.how = 'created')
    OR NOT EXISTS (
        SELECT 1 FROM keys AS other WHERE other.hubspot_id = keys.hubspot_id AND NOT other.was_absent
    )
)
"""
_COPIED_AT_ONCE = 20_000


def attach(connection: sqlite3.Connection, snapshot: Path, job: str) -> None:
    """Attach the snapshot and its job's checkpoint, with views that hide older formats."""
    connection.execute("ATTACH ? AS snapshot", (sqlite.uri(snapshot, "ro"),))
    letters = _LETTERS if _attach_checkpoint(connection, snapshot, job) else _NO_LETTERS
    connection.executescript(_VIEWS + letters + _TAKEN_OVER)


def _attach_checkpoint(connection: sqlite3.Connection, snapshot: Path, job: str) -> bool:
    """Attach the job's checkpoint; False if it does not exist, can't be read, or is another job's."""
    checkpoint = snapshot.with_suffix("")
    if snapshot.suffix != ".snapshot" or not checkpoint.is_file():
        return False
    try:
        connection.execute("ATTACH ? AS job", (sqlite.uri(checkpoint, "ro"),))
        rows = connection.execute("SELECT json_extract(value, '$') FROM job.job WHERE name = 'id'").fetchall()
    except sqlite3.Error:
        return False
    return rows == [(job,)]


def begin(connection: sqlite3.Connection, earlier: Path | None = None) -> None:
    """Create an empty list; keep what an earlier undo in this file, or in `earlier`, began to write."""
    schema = "main"
    if earlier is not None:
        schema = "earlier"
        connection.execute("ATTACH ? AS earlier", (sqlite.uri(earlier, "ro"),))
    script = _BEGUN
    if sqlite.columns(connection, schema, "keys"):
        script += _NOTE_BEGUN.replace("{}", schema)
    for table, statement in _COPY_BEGUN.items():
        if earlier is not None and sqlite.columns(connection, schema, table):
            script += statement
    connection.executescript("BEGIN;" + script + _DROP + _SCHEMA + "COMMIT;")
    if earlier is not None:
        connection.execute("DETACH earlier")


def upgrade(connection: sqlite3.Connection) -> None:
    """Add the columns that a list of version 0.6.2 lacks."""
    known = sqlite.columns(connection, "main", "keys")
    lacking = [one for one in _COLUMNS if one.split()[0] not in known]
    if lacking:
        alter = "".join(f"ALTER TABLE keys ADD COLUMN {column};" for column in lacking)
        connection.executescript("BEGIN;" + _BEGUN + alter + _FILL + "COMMIT;")


def copy(connection: sqlite3.Connection) -> bool:
    """Copy a slice of the snapshot's keys; False after the last one."""
    ((last,),) = connection.execute("SELECT coalesce(max(number), 0) FROM keys")
    copied = connection.execute(_COPY, (last, _COPIED_AT_ONCE))
    if copied.rowcount > 0 or connection.execute(_COPY_FURTHER).rowcount > 0:
        return True
    return connection.execute(_COPY_IN_DOUBT).rowcount > 0


def gather(connection: sqlite3.Connection) -> None:
    """Keep one entry for each contact, its first key; settle the others."""
    connection.execute(
        "INSERT OR REPLACE INTO findings SELECT number, '', '', '', '', ? FROM taken_over", (TAKEN_OVER,)
    )
    connection.execute("UPDATE keys SET fate = 'gone' WHERE number IN (SELECT number FROM taken_over)")
    for statement in _GATHER.split(";"):
        connection.execute(statement)
