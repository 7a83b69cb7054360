"""The links that a job made, from its file of links, in pages; and what undo has made of each.

All methods run in the thread of the file. StorageError from all of them.
"""

from collections.abc import Iterable, Mapping, Sequence

from uploader.associations.work_list import bearer
from uploader.hubspot.associations import Pair, is_primary
from uploader.model.associations import AssociationType, LinkColumn
from uploader.storage.associations_file import AssociationsFile
from uploader.undo.link_plan import Former, LinkUndo, MadePair

_KINDS = """
CREATE TEMP TABLE kinds (
    number INTEGER PRIMARY KEY, object_type TEXT NOT NULL, is_single INTEGER NOT NULL, bearer TEXT NOT NULL
)
"""
#: The links of requests that may have made them. `was_linked`: the two records, before that request; NULL if
#: that is not known.
_MADE = """
CREATE TEMP TABLE made AS
SELECT links.id, object_type, hubspot_id AS from_id, to_id, links.number, displaced, position, ordinal,
    iif(bearer = 'to', to_id, hubspot_id) AS bearer_id, bearer = 'to' AS is_turned, is_single,
    before != '' AS was_linked
FROM links JOIN rows USING (position) JOIN kinds USING (number)
WHERE sent AND links.outcome IN ('linked', 'pending', '') AND hubspot_id != '' AND to_id != ''
"""
_PAIRS = "CREATE INDEX temp.made_pairs ON made (object_type, from_id, to_id)"
_BEARERS = "CREATE INDEX temp.made_bearers ON made (object_type, bearer_id) WHERE is_single"
_PAGE = """
SELECT DISTINCT made.from_id, made.to_id FROM made JOIN links USING (id)
WHERE made.object_type = ? AND undone IN ('', 'failed') AND (made.from_id, made.to_id) > (?, ?)
ORDER BY 1, 2 LIMIT ?
"""
_OF_PAIR = """
SELECT id, number, was_linked, is_single, bearer_id, is_turned FROM made
WHERE object_type = ? AND from_id = ? AND to_id = ? ORDER BY position, number, ordinal
"""
_OF_BEARER = """
SELECT displaced, iif(is_turned, from_id, to_id) FROM made
WHERE object_type = ? AND bearer_id = ? AND is_single ORDER BY position, number, ordinal
"""


class MadeLinks:
    """The links of one undo."""

    def __init__(
        self,
        file: AssociationsFile,
        object_type: str,
        columns: Sequence[LinkColumn],
        types: Sequence[AssociationType],
    ) -> None:
        """`types`: of the columns; of one whose label the account has no more, one that no link has."""
        self._file = file
        self._own = object_type
        self._columns = columns
        self._types = types

    def begin(self) -> int:
        """Find the links that the job made. Returns how many there are."""
        connection = self._file.connection
        kinds = [
            (number, column.object_type, is_primary(type_), bearer(self._own, column.object_type))
            for number, (column, type_) in enumerate(zip(self._columns, self._types, strict=True))
        ]
        for table in ("kinds", "made"):
            connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
        connection.execute(_KINDS)
        connection.executemany("INSERT INTO kinds VALUES (?, ?, ?, ?)", kinds)
        connection.execute(_MADE)
        connection.execute(_PAIRS)
        connection.execute(_BEARERS)
        ((count,),) = connection.execute("SELECT count(*) FROM made")
        return int(count)

    def object_types(self) -> list[str]:
        """The types of the other records, those linked last first."""
        return list(dict.fromkeys(reversed([one.object_type for one in self._columns])))

    def counts(self) -> dict[LinkUndo, int]:
        with self._file.reading() as connection:
            query = (
                "SELECT undone, count(*) FROM made JOIN links USING (id) WHERE undone != '' GROUP BY undone"
            )
            found = {LinkUndo(name): count for name, count in connection.execute(query)}
        return {one: found.get(one, 0) for one in LinkUndo}

    def reasons(self, most: int) -> list[tuple[str, int]]:
        """Why links are kept or failed, the most frequent first."""
        with self._file.reading() as connection:
            query = (
                "SELECT undo_why, count(*) FROM made JOIN links USING (id) "
                "WHERE undo_why != '' GROUP BY undo_why ORDER BY 2 DESC, 1 LIMIT ?"
            )
            return list(connection.execute(query, (most,)))

    def page(self, object_type: str, after: Pair, most: int) -> list[MadePair]:
        """The next pairs of records with one of a type whose links are not undone."""
        with self._file.reading() as connection:
            pairs = list(map(Pair._make, connection.execute(_PAGE, (object_type, *after, most))))
            return [self._made(object_type, pair) for pair in pairs]

    def _made(self, object_type: str, pair: Pair) -> MadePair:
        found = self._file.connection.execute(_OF_PAIR, (object_type, *pair)).fetchall()
        before = [was_linked for _, _, was_linked, *_ in found]
        single = next((one for one in found if one[3]), None)
        return MadePair(
            pair,
            tuple(one[0] for one in found),
            tuple(dict.fromkeys(self._types[one[1]] for one in found)),
            False if 0 in before else None if None in before else True,
            self._former(object_type, single[4], is_turned=bool(single[5])) if single else None,
        )

    def _former(self, object_type: str, bearer_id: str, *, is_turned: bool) -> Former:
        found = self._file.connection.execute(_OF_BEARER, (object_type, bearer_id)).fetchall()
        return Former(bearer_id, is_turned, found[0][0], frozenset(other for _, other in found))

    def note(self, outcomes: Mapping[int, tuple[LinkUndo, str]]) -> None:
        """Note what became of links, with the reasons."""
        values = [(outcome.value, why, link) for link, (outcome, why) in outcomes.items()]
        with self._file.transaction() as connection:
            connection.executemany("UPDATE links SET undone = ?, undo_why = ? WHERE id = ?", values)

    def reopen(self) -> None:
        """Have all links looked at again, and the created records that are not archived."""
        with self._file.transaction() as connection:
            connection.execute("UPDATE links SET undone = '', undo_why = ''")
            connection.execute(
                "UPDATE ends SET undone = '', undo_why = '' WHERE undone NOT IN ('archived', 'archiving')"
            )


def count_outcomes(outcomes: Iterable[tuple[LinkUndo, str]]) -> dict[LinkUndo, int]:
    counts = dict.fromkeys(LinkUndo, 0)
    for outcome, _ in outcomes:
        counts[outcome] += 1
    return counts
