"""The links that a verification compares, in its file beside the checkpoint; and what was found of each.

All methods run in the thread of the file. StorageError from all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple
from zlib import crc32

from uploader.model.associations import LINKS_THERE
from uploader.storage.associations_file import AssociationsFile
from uploader.verify.link_judge import CheckedLink, LinkKind, LinkVerdict, WantedLink
from uploader.verify.verify_file import LEFT_OUT, LINKS_BUILT, VerificationFile

#: `number`: in the order in which the links were made. `record`: the end that is read, and `to`, the type of
#: records at the other one. `is_turned`: `record` is the other end of the row's link. `verdict`: NULL until
#: the link is compared.
_SCHEMA = """
DROP TABLE IF EXISTS links;
CREATE TABLE links (
    number INTEGER PRIMARY KEY, of TEXT NOT NULL, "to" TEXT NOT NULL, is_turned INTEGER NOT NULL,
    record TEXT NOT NULL, other TEXT NOT NULL, kind INTEGER NOT NULL, is_pending INTEGER NOT NULL,
    source INTEGER NOT NULL, row INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    expected TEXT NOT NULL, verdict TEXT, found TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT ''
);
"""
_MADE = """
SELECT source, row, iif(id_property = :main, key, id_property || '=' || key), hubspot_id, to_id, number,
    value, links.outcome, undone
FROM links JOIN rows USING (position) WHERE links.outcome IN ('linked', 'already', 'pending')
ORDER BY position, number, ordinal
"""
_ADD = """
INSERT INTO links (of, "to", is_turned, record, other, kind, is_pending, source, row, key, value, expected)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_RECORDS = """
SELECT DISTINCT record FROM links WHERE verdict IS NULL AND of = ? AND "to" = ? AND record > ?
ORDER BY record LIMIT ?
"""
_OF_RECORDS = """
SELECT record, number, other, kind, is_pending, expected FROM links
WHERE verdict IS NULL AND of = ? AND "to" = ? AND record BETWEEN ? AND ? ORDER BY record, number
"""
_FINDINGS = """
SELECT verdict, row, source, key, iif(is_turned, other, record), iif(is_turned, record, other), kind, value,
    found, note
FROM links WHERE verdict NOT IN ('equal', 'left out') ORDER BY source, row, number
"""
_PAGE_LINKS = 10_000
_TAKEN_BACK = "it was taken back by `undo`"


@dataclass(frozen=True, slots=True)
class LinkedJob:
    """A job whose links are compared."""

    file: AssociationsFile
    main: str  #: its main key property
    first_source: int  #: the number of its first source
    first_kind: int  #: the index of the kind of its first column


class LinkPage(NamedTuple):
    """Records of one type whose links are read together."""

    of: str
    to: str
    links: Mapping[str, Sequence[WantedLink]]  #: by record


class LinkFinding(NamedTuple):
    """A link that is not as the job made it."""

    verdict: LinkVerdict
    row: int
    source: int
    key: str
    from_id: str
    to_id: str
    kind: int
    value: str
    found: str
    note: str


class LinksTable:
    """The links of a verification."""

    def __init__(self, file: VerificationFile) -> None:
        self._file = file

    @property
    def is_built(self) -> bool:
        return self._file.has_all_links

    def build(
        self, jobs: Sequence[LinkedJob], of: str, to: Sequence[str], kinds: Sequence[LinkKind]
    ) -> Iterator[int]:
        """Take the links from the files of these jobs, page by page; yields how many so far. `of`: the type
        of their records; `to`: that of the other ones, by kind.
        """
        with self._file.transaction() as connection:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
        count = 0
        for job in jobs:
            with job.file.reading() as connection:
                made = connection.execute(_MADE, {"main": job.main})
            while rows := _some(made, job):
                values = [_packed(one, job, of, to, kinds) for one in rows]
                with self._file.transaction() as connection:
                    connection.executemany(_ADD, values)
                count += len(rows)
                yield count

    def finish(self, sample: int | None) -> None:
        """Finish the build. Of a sample, only the links of as many records are compared."""
        with self._file.transaction() as connection:
            if sample is not None:
                connection.create_function("hash", 1, lambda value: crc32(value.encode()), deterministic=True)
                connection.execute(
                    "UPDATE links SET verdict = ? WHERE record NOT IN (SELECT record FROM "
                    "(SELECT DISTINCT record FROM links) ORDER BY hash(record) LIMIT ?)",
                    (LEFT_OUT, sample),
                )
            connection.execute(
                'CREATE INDEX open_links ON links (of, "to", record, number) WHERE verdict IS NULL'
            )
            connection.execute("INSERT INTO about VALUES (?, '1')", (LINKS_BUILT,))

    def pages(self, most: int) -> Iterator[LinkPage]:
        """The links that are not compared, in pages of so many records."""
        with self._file.reading() as connection:
            groups = list(connection.execute('SELECT DISTINCT of, "to" FROM links WHERE verdict IS NULL'))
        for of, to in groups:
            last = ""
            while page := self._page(of, to, last, most):
                last = max(page)
                yield LinkPage(of, to, page)

    def _page(self, of: str, to: str, after: str, most: int) -> dict[str, list[WantedLink]]:
        found: dict[str, list[WantedLink]] = {}
        with self._file.reading() as connection:
            records = [one for (one,) in connection.execute(_RECORDS, (of, to, after, most))]
            if records:
                ends = (records[0], records[-1])
                for record, number, other, kind, is_pending, note in connection.execute(
                    _OF_RECORDS, (of, to, *ends)
                ):
                    link = WantedLink(number, other, kind, bool(is_pending), note)
                    found.setdefault(record, []).append(link)
        return found

    def settle(self, checked: Sequence[CheckedLink]) -> None:
        with self._file.transaction() as connection:
            connection.executemany(
                "UPDATE links SET verdict = ?, found = ?, note = ? WHERE number = ?",
                [(one.verdict.value, one.found, one.note, one.number) for one in checked],
            )

    def counts(self) -> tuple[dict[LinkVerdict, int], int]:
        """The links by verdict, and how many are left."""
        with self._file.reading() as connection:
            found = dict(connection.execute("SELECT verdict, count(*) FROM links GROUP BY verdict"))
        return {one: found.get(one.value, 0) for one in LinkVerdict}, found.get(None, 0)

    def findings(self) -> Iterator[LinkFinding]:
        """The links that are not equal, in the order of rows."""
        with self._file.reading() as connection:
            for verdict, *rest in connection.execute(_FINDINGS):
                yield LinkFinding(LinkVerdict(verdict), *rest)


def _some(made: Iterator[Any], job: LinkedJob) -> list[Any]:
    with job.file.reading():
        return list(islice(made, _PAGE_LINKS))


def _packed(
    made: Sequence[Any], job: LinkedJob, of: str, to: Sequence[str], kinds: Sequence[LinkKind]
) -> tuple[object, ...]:
    source, row, key, from_id, to_id, number, value, outcome, undone = made
    kind = job.first_kind + number
    is_turned = kinds[kind].is_turned
    return (
        *((to[kind], of, True, to_id, from_id) if is_turned else (of, to[kind], False, from_id, to_id)),
        kind,
        outcome not in LINKS_THERE,
        job.first_source + source,
        row,
        key,
        value,
        _TAKEN_BACK if undone == "unlinked" else "",
    )
