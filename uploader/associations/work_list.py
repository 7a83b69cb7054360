"""The links of a job that are to be made, taken from the file of links.

All methods run in the thread of the file, in pages of a bounded size: between two of them rows of other jobs,
and signals, have their turn. What they find out is committed, so that a killed pass begins with what is left.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from uploader.associations.link_verdict import Link, Refused
from uploader.associations.results_of_another_job import Named
from uploader.hubspot.associations import Pair, is_primary
from uploader.hubspot.object_types import type_id
from uploader.model.associations import AssociationType, LinkColumn, LinkOutcome
from uploader.model.records import OWN_ID, lock_key
from uploader.storage.associations_file import AssociationsFile

_PAGE_ROWS = 20_000

_TEMPORARY = """
DROP TABLE IF EXISTS temp.kinds;
CREATE TEMP TABLE kinds (
    number INTEGER PRIMARY KEY, place INTEGER, object_type TEXT NOT NULL, type TEXT NOT NULL,
    is_single INTEGER NOT NULL, bearer TEXT NOT NULL, is_mutual INTEGER NOT NULL
);
"""
#: Links that are open will be made, and so will their other records, if they are not there any more.
_FORGET_UNDONE = (
    """
    UPDATE links SET undone = '', undo_why = '', sent = 0, before = NULL, displaced = ''
    WHERE outcome = '' AND undone IN ('unlinked', 'gone')
    """,
    "UPDATE links SET undone = '', undo_why = '' WHERE outcome = '' AND undone != ''",
    """
    UPDATE ends SET state = '', hubspot_id = '', created = 0, undone = '', undo_why = ''
    WHERE undone IN ('archived', 'gone')
    """,
    """
    UPDATE links SET to_id = '' WHERE outcome = '' AND NOT sent
    AND number IN (SELECT number FROM kinds WHERE place IS NOT NULL)
    """,
)
#: What becomes of the links of rows between two positions, once the rows are settled.
_APPLY = (
    """
    DELETE FROM links WHERE position BETWEEN :first AND :last AND outcome = '' AND position IN
        (SELECT position FROM rows WHERE position BETWEEN :first AND :last AND outcome = 'skipped')
    """,
    """
    UPDATE links SET outcome = 'missing', why = (
        SELECT 'the row is ' || rows.outcome || iif(rows.why = '', '', ': ' || rows.why)
        FROM rows WHERE rows.position = links.position
    )
    WHERE outcome = '' AND position BETWEEN :first AND :last AND position IN (
        SELECT position FROM rows WHERE position BETWEEN :first AND :last
        AND outcome IN ('rejected', 'invalid', 'abandoned', 'pending')
    )
    """,
    """
    UPDATE links SET outcome = 'missing', why = fault
    WHERE outcome = '' AND fault != '' AND position BETWEEN :first AND :last AND position IN
        (SELECT position FROM rows WHERE position BETWEEN :first AND :last
        AND outcome IN ('created', 'updated', 'unchanged'))
    """,
    """
    UPDATE links SET outcome = 'missing', why = '"' || value || '" is not an id of HubSpot'
    WHERE outcome = '' AND position BETWEEN :first AND :last AND value GLOB '*[^0-9]*'
    AND number IN (SELECT number FROM kinds WHERE place IS NULL)
    """,
    """
    UPDATE links SET to_id = value WHERE outcome = '' AND to_id = '' AND position BETWEEN :first AND :last
    AND number IN (SELECT number FROM kinds WHERE place IS NULL)
    """,
    """
    UPDATE rows SET hubspot_id = key WHERE hubspot_id = '' AND id_property = :own_id
    AND position BETWEEN :first AND :last
    """,
    """
    INSERT OR IGNORE INTO ends (place, name, value)
    SELECT place, fold(value), value FROM links JOIN kinds USING (number)
    WHERE place IS NOT NULL AND outcome = '' AND to_id = '' AND position BETWEEN :first AND :last
    AND position IN (SELECT position FROM rows WHERE position BETWEEN :first AND :last
        AND outcome IN ('created', 'updated', 'unchanged'))
    """,
)
_ROWS_WITHOUT_ID = """
SELECT position, id_property, key FROM rows
WHERE hubspot_id = '' AND outcome IN ('created', 'updated', 'unchanged') AND position > ?
AND EXISTS (SELECT 1 FROM links WHERE links.position = rows.position AND links.outcome = '')
ORDER BY position LIMIT ?
"""
#: What was about to be created and is there now was created.
_NOTE_END = """
UPDATE ends SET state = ?, hubspot_id = ?, created = coalesce(?, iif(created = 2 AND ?, 1, created)), why = ?
WHERE place = ? AND name = ? AND state = ''
"""
#: `:is_final`: no later row can create an end that is not there yet.
_FIND = (
    """
    UPDATE links SET to_id = (
        SELECT hubspot_id FROM ends JOIN kinds USING (place)
        WHERE kinds.number = links.number AND ends.name = fold(links.value)
    )
    WHERE outcome = '' AND to_id = '' AND position BETWEEN :first AND :last AND EXISTS (
        SELECT 1 FROM ends JOIN kinds USING (place) WHERE kinds.number = links.number
        AND ends.name = fold(links.value) AND state = 'found'
    )
    """,
    """
    UPDATE links SET outcome = 'missing', why = (
        SELECT why FROM ends JOIN kinds USING (place)
        WHERE kinds.number = links.number AND ends.name = fold(links.value)
    )
    WHERE outcome = '' AND to_id = '' AND position BETWEEN :first AND :last AND EXISTS (
        SELECT 1 FROM ends JOIN kinds USING (place) WHERE kinds.number = links.number
        AND ends.name = fold(links.value) AND (state = 'unclear' OR (state = 'absent' AND :is_final))
    )
    """,
)
#: `repeats`: links that an earlier row asks for, too, or another one whose request may have been carried out;
#: without a label, between records of one type, in either direction. Of a label that one record alone can
#: have, only if no other record got it in between. What `undo` has taken back is there for no later row, nor
#: is what failed in an earlier pass, whose reason may be gone.
#: `plan`: the others, in the order in which they are made. Links of one wave may be made side by side, those
#: of the next one after them; no wave joins two records twice, nor from both ends: one label may be there for
#: both. A record's first link goes before its others, since a first company becomes the primary one by
#: itself; links that make a company the primary one go one after the other. `waits`: an earlier link of the
#: record, whose other end later rows may create, goes before it; any earlier link where that end is the
#: record.
_PLAN = """
DROP TABLE IF EXISTS temp.unlocated;
CREATE TEMP TABLE unlocated AS
SELECT object_type, hubspot_id AS from_id, position, number, ordinal
FROM links JOIN rows USING (position) JOIN kinds USING (number)
WHERE links.outcome = '' AND to_id = '' AND hubspot_id != '' AND bearer = 'from';
INSERT INTO unlocated
SELECT object_type, '', min(position), -1, -1 FROM links JOIN kinds USING (number)
WHERE outcome = '' AND to_id = '' AND bearer = 'to' GROUP BY object_type;
CREATE INDEX temp.unlocated_ends ON unlocated (object_type, from_id);
DROP TABLE IF EXISTS temp.located;
CREATE TEMP TABLE located AS
SELECT links.id, position, number, ordinal, links.outcome, hubspot_id AS from_id, to_id, object_type, type,
    is_single, sent AND links.outcome = '' AS may_be_made,
    iif(is_mutual, min(hubspot_id, to_id), hubspot_id) AS one,
    iif(is_mutual, max(hubspot_id, to_id), to_id) AS other,
    CASE bearer WHEN 'from' THEN hubspot_id WHEN 'to' THEN to_id ELSE '' END AS bearer,
    EXISTS (
        SELECT 1 FROM unlocated AS one
        WHERE one.object_type = kinds.object_type AND one.from_id = iif(bearer = 'to', '', hubspot_id)
        AND (one.position, one.number, one.ordinal) < (links.position, links.number, links.ordinal)
    ) AS waits
FROM links JOIN rows USING (position) JOIN kinds USING (number)
WHERE to_id != '' AND hubspot_id != '' AND rows.outcome IN ('created', 'updated', 'unchanged')
AND links.undone NOT IN ('unlinked', 'gone');
DROP TABLE IF EXISTS temp.repeats;
CREATE TEMP TABLE repeats (id INTEGER PRIMARY KEY, first INTEGER NOT NULL);
INSERT INTO repeats
SELECT id, first FROM (
    SELECT id, outcome, waits, first_value(id) OVER (
        PARTITION BY object_type, one, other, type ORDER BY may_be_made DESC, position, number, ordinal
    ) AS first FROM located WHERE NOT is_single AND outcome IN ('', 'linked', 'already')
) WHERE outcome = '' AND NOT waits AND first != id
UNION ALL
SELECT id, former FROM (
    SELECT id, outcome, waits, from_id || ',' || to_id AS pair, lag(id) OVER singles AS former,
        lag(from_id || ',' || to_id) OVER singles AS former_pair, lag(outcome) OVER singles AS former_outcome
    FROM located WHERE is_single
    WINDOW singles AS (PARTITION BY object_type, bearer ORDER BY position, number, ordinal)
) WHERE outcome = '' AND NOT waits AND pair = former_pair AND former_outcome IN ('', 'linked', 'already');
DROP TABLE IF EXISTS temp.plan;
CREATE TEMP TABLE plan AS
SELECT id, object_type, from_id, turn, row_number() OVER (
    PARTITION BY object_type, min(from_id, to_id), max(from_id, to_id), turn
    ORDER BY position, number, ordinal
) AS part
FROM (
    SELECT *, CASE
        WHEN bearer = '' OR nth = 1 THEN 0 WHEN is_single THEN singles - is_first_single ELSE 1
    END AS turn
    FROM (
        SELECT *, row_number() OVER earlier AS nth, sum(is_single) OVER earlier AS singles,
            first_value(is_single) OVER earlier AS is_first_single
        FROM located WHERE outcome = '' AND NOT waits AND id NOT IN (SELECT id FROM repeats)
        WINDOW earlier AS (
            PARTITION BY object_type, bearer ORDER BY position, number, ordinal ROWS UNBOUNDED PRECEDING
        )
    )
)
ORDER BY object_type, turn, part, bearer, position, number, ordinal;
DROP TABLE temp.located;
DROP TABLE temp.unlocated;
"""
_NEXT = """
SELECT plan.rowid, links.id, from_id, to_id, number, sent
FROM plan JOIN links USING (id)
WHERE plan.rowid > :after AND plan.object_type = :object_type AND turn = :turn AND part = :part
ORDER BY plan.rowid LIMIT :most
"""
#: Until nothing changes: the first one may be a repeat itself.
_SETTLE_REPEATS = """
UPDATE links SET
    outcome = (SELECT iif(one.outcome = 'linked', 'already', one.outcome)
        FROM repeats JOIN links AS one ON one.id = first WHERE repeats.id = links.id),
    why = (SELECT iif(one.outcome IN ('linked', 'already'), 'an earlier row asks for it, too', one.why)
        FROM repeats JOIN links AS one ON one.id = first WHERE repeats.id = links.id)
WHERE outcome = '' AND id IN
    (SELECT repeats.id FROM repeats JOIN links AS one ON one.id = first WHERE one.outcome != '')
"""


class RowKey(NamedTuple):
    """A row whose record's id is not known."""

    position: int
    id_property: str
    key: str


class End(NamedTuple):
    """Another record, by the value that names it."""

    name: str  #: as compared
    value: str  #: as the first row has it


@dataclass(frozen=True, slots=True)
class FoundEnd:
    """What is known of another record."""

    hubspot_id: str = ""
    why: str = ""  #: why there is none
    is_unclear: bool = False  #: there may be one, now or later it makes no difference: the links end missing
    #: Whether this job has created it; None if no answer says so.
    is_created: bool | None = None


class Wave(NamedTuple):
    """Links that may be made side by side."""

    object_type: str
    turn: int
    part: int


@dataclass(frozen=True, slots=True)
class PlannedLink:
    """A link to be made, with what says whether to look first if it is there."""

    link: Link
    number: int  #: of its column
    is_sent: bool  #: by an earlier request without a definite answer


class WorkList:
    """The links of one pass."""

    def __init__(
        self,
        file: AssociationsFile,
        object_type: str,
        columns: Sequence[LinkColumn],
        types: Sequence[AssociationType],
    ) -> None:
        """`types` are those of the columns, by number."""
        self.places = _places(columns)
        self._file = file
        self._own = object_type
        self._columns = columns
        self._types = types
        self._after: dict[Wave, int] = {}

    def begin(self) -> None:
        """Forget what an earlier pass did not find, since it may be there now, and what `undo` has taken back
        of links that are open. StorageError, as from all others.
        """
        connection = self._file.connection
        connection.create_function("fold", 1, lambda text: lock_key("", text), deterministic=True)
        with self._file.transaction():
            for statement in _TEMPORARY.split(";"):
                connection.execute(statement)
            connection.executemany(
                "INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        number,
                        self.places.get(number),
                        column.object_type,
                        f"{type_.category}={type_.type_id}",
                        is_primary(type_),
                        bearer(self._own, column.object_type),
                        not type_.label and _same_type(column.object_type, self._own),
                    )
                    for number, (column, type_) in enumerate(zip(self._columns, self._types, strict=True))
                ],
            )
            for statement in _FORGET_UNDONE:
                connection.execute(statement)
            connection.execute("DELETE FROM ends WHERE state != 'found' AND NOT created")
            connection.execute("UPDATE ends SET state = '' WHERE state != 'found'")

    # --- the rows ---

    def apply_rows(self, after: int) -> int | None:
        """Settle the links of rows that failed, and list the other ends of those that did not; the rows of a
        page. Returns its last position, None after the last page.
        """
        return self._page(_APPLY, after)

    def rows_without_id(self, after: int, most: int) -> list[RowKey]:
        """The next rows in the account whose record's id no answer named, and whose links are open."""
        with self._file.reading() as connection:
            return [RowKey._make(one) for one in connection.execute(_ROWS_WITHOUT_ID, (after, most))]

    def note_row_ids(self, ids: Mapping[int, str], unknown: Mapping[int, str]) -> None:
        """Note the ids of rows by position, and why others have none: their links end."""
        with self._file.transaction() as connection:
            connection.executemany(
                "UPDATE rows SET hubspot_id = ? WHERE position = ?",
                [(hubspot_id, position) for position, hubspot_id in ids.items()],
            )
            connection.executemany(
                "UPDATE links SET outcome = 'missing', why = ? WHERE position = ? AND outcome = ''",
                [(why, position) for position, why in unknown.items()],
            )

    # --- the other ends ---

    def wanted_places(self) -> list[int]:
        """The places with values that were not looked up."""
        with self._file.reading() as connection:
            found = connection.execute("SELECT DISTINCT place FROM ends WHERE state = '' ORDER BY place")
            return [place for (place,) in found]

    def open_ends(self, place: int, after: str, most: int) -> list[End]:
        """The next values of a place that were not looked up."""
        query = (
            "SELECT name, value FROM ends WHERE place = ? AND state = '' AND name > ? ORDER BY name LIMIT ?"
        )
        with self._file.reading() as connection:
            return [End._make(one) for one in connection.execute(query, (place, after, most))]

    def note_ends(self, place: int, found: Mapping[str, FoundEnd]) -> None:
        """Note what values lead to, by name. Of other names than the open ones nothing is noted."""
        with self._file.transaction() as connection:
            connection.executemany(
                _NOTE_END,
                [
                    (_state(one), one.hubspot_id, one.is_created, bool(one.hubspot_id), one.why, place, name)
                    for name, one in found.items()
                ],
            )

    def note_results(self, place: int, named: Sequence[Named]) -> None:
        """Note what another job's results file says of values. Of a key that it has several times, a row with
        an id goes before one without, and that before one that failed.
        """
        with self._file.transaction() as connection:
            connection.executemany(
                "UPDATE ends SET state = ?, hubspot_id = ?, why = ? WHERE place = ? AND name = ? "
                "AND (state = '' OR (state = 'absent' AND ? != 'absent') "
                "OR (state = 'named' AND ? = 'found'))",
                [
                    (state, one.hubspot_id, one.why, place, one.name, state, state)
                    for one in named
                    for state in ["found" if one.hubspot_id else "absent" if one.why else "named"]
                ],
            )

    def end_results(self, place: int, why: str) -> None:
        """Note that values which the file does not have name no record. Those that it has without an id are
        to be looked up.
        """
        with self._file.transaction() as connection:
            connection.execute(
                "UPDATE ends SET state = 'absent', why = ? || value WHERE place = ? AND state = ''",
                (why, place),
            )
            connection.execute("UPDATE ends SET state = '' WHERE place = ? AND state = 'named'", (place,))

    def reopen_absent(self, place: int) -> bool:
        """Have those looked up again that are not there; False if there are none."""
        with self._file.transaction() as connection:
            again = "UPDATE ends SET state = '' WHERE place = ? AND state = 'absent'"
            return connection.execute(again, (place,)).rowcount > 0

    def absent_ends(self, place: int, after: str, most: int) -> list[End]:
        """The next values of a place that name no record."""
        query = (
            "SELECT name, value FROM ends WHERE place = ? AND state = 'absent' AND name > ? "
            "ORDER BY name LIMIT ?"
        )
        with self._file.reading() as connection:
            return [End._make(one) for one in connection.execute(query, (place, after, most))]

    def note_creating(self, place: int, ends: Sequence[End]) -> None:
        """Note that records are about to be created: if they are there from now on, the job has made them."""
        with self._file.transaction() as connection:
            connection.executemany(
                "UPDATE ends SET state = '', created = 2 WHERE place = ? AND name = ?",
                [(place, one.name) for one in ends],
            )

    def find_ends(self, after: int, *, is_final: bool) -> int | None:
        """Give links the ids of their other ends, of a page of rows as `apply_rows` has it. Those without one
        end; if rows may follow that create it, they stay open.
        """
        return self._page(_FIND, after, is_final=is_final)

    # --- the links ---

    def plan(self) -> list[Wave]:
        """Put the open links in order. Returns the waves in which they are made, one after the other."""
        with self._file.transaction() as connection:
            for statement in _PLAN.split(";"):
                connection.execute(statement)
            waves = "SELECT DISTINCT object_type, turn, part FROM plan ORDER BY 1, 2, 3"
            return [Wave._make(one) for one in connection.execute(waves)]

    def next_batch(self, wave: Wave, most: int) -> list[PlannedLink]:
        """The next links of a wave."""
        values = {**wave._asdict(), "after": self._after.get(wave, 0), "most": most}
        with self._file.reading() as connection:
            found = connection.execute(_NEXT, values).fetchall()
        if found:
            self._after[wave] = found[-1][0]
        return [
            PlannedLink(
                Link(link_id, Pair(from_id, to_id), self._types[number]),
                number,
                bool(sent),
            )
            for _, link_id, from_id, to_id, number, sent in found
        ]

    def note_sent(self, links: Iterable[tuple[Link, str | None, str]]) -> None:
        """Note links that are about to be sent: the types of the pair now, and the record that loses the
        label. What was noted before an earlier request stays.
        """
        with self._file.transaction() as connection:
            connection.executemany(
                "UPDATE links SET sent = 1, before = ?, displaced = ? WHERE id = ? AND NOT sent",
                [(before, displaced, link.id) for link, before, displaced in links],
            )

    def note_unsent(self, links: Iterable[Link]) -> None:
        """Note that no request with these was carried out, as far as they are open: others may link the same
        records before the next one leaves.
        """
        with self._file.transaction() as connection:
            connection.executemany(
                "UPDATE links SET sent = 0, before = NULL, displaced = '' WHERE id = ? AND outcome = ''",
                [(link.id,) for link in links],
            )

    def settle(self, linked: Sequence[Link], already: Sequence[Link], refused: Sequence[Refused]) -> None:
        outcomes = [
            *((LinkOutcome.LINKED.value, "", one.id) for one in linked),
            *((LinkOutcome.ALREADY.value, "", one.id) for one in already),
            *((one.outcome.value, one.why, one.link.id) for one in refused),
        ]
        with self._file.transaction() as connection:
            connection.executemany("UPDATE links SET outcome = ?, why = ? WHERE id = ?", outcomes)

    def settle_repeats(self) -> None:
        """Settle links that an earlier row asked for, too, as far as that one is settled."""
        with self._file.transaction() as connection:
            while connection.execute(_SETTLE_REPEATS).rowcount > 0:
                pass

    def _page(self, statements: Sequence[str], after: int, **values: object) -> int | None:
        last = (
            "SELECT max(position) FROM "
            "(SELECT position FROM rows WHERE position > ? ORDER BY position LIMIT ?)"
        )
        with self._file.transaction() as connection:
            ((end,),) = connection.execute(last, (after, _PAGE_ROWS))
            if end is not None:
                for statement in statements:
                    connection.execute(
                        statement, {"first": after + 1, "last": end, "own_id": OWN_ID, **values}
                    )
        return None if end is None else int(end)


def bearer(of: str, to: str) -> str:
    """Which end of a link has one primary record of the other type, "from" or "to"; "" for neither."""
    is_company = [one in _COMPANIES for one in (of, to)]
    return "" if is_company[0] is is_company[1] else "to" if is_company[0] else "from"


_COMPANIES = frozenset({"companies", type_id("companies")})


def _places(columns: Sequence[LinkColumn]) -> dict[int, int]:
    """By the number of a column, the first one whose values name records in the same way; none for ids."""
    first: dict[tuple[str, str, str], int] = {}
    return {
        number: first.setdefault((one.object_type, one.by, one.results), number)
        for number, one in enumerate(columns)
        if one.by != OWN_ID or one.results
    }


def _same_type(one: str, other: str) -> bool:
    return (type_id(one) or one) == (type_id(other) or other)


def _state(one: FoundEnd) -> str:
    return "found" if one.hubspot_id else "unclear" if one.is_unclear else "absent"
