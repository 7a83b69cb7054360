"""Source settings: what is read, and in which format. Raise `SettingsError`."""

from dataclasses import dataclass, field
from typing import Literal

from uploader.errors import SettingsError
from uploader.records.duplicates import OnDuplicate
from uploader.sources.database_urls import is_database
from uploader.sources.names import STDIN, is_url


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    __slots__ = ()  # `Settings` has them

    sources: tuple[str, ...] = field(repr=False)  #: paths, patterns, URLs (which may hold secrets), "-"
    given: frozenset[str] = frozenset()  #: names of the sources that are rows given by a program
    format: Literal["csv", "ndjson", "json"] | None = None  #: None: detected
    delimiter: str | None = None  #: None: detected
    encoding: str | None = None  #: None: by the byte order mark, else UTF-8
    sheet: str | None = None  #: None: the first sheet that is not empty
    query: str | None = None  #: of sources that are databases; None: their URLs name a table
    accept_unfinished_last_line: bool = False  #: send the last line of a stream without a line break
    on_duplicate: OnDuplicate | None = None  #: None: in order, but doubtful keys have to be decided on

    @property
    def duplicate_rule(self) -> OnDuplicate:
        """What is done with rows that share a key."""
        return self.on_duplicate or OnDuplicate.IN_ORDER

    def _check_delimiter(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise SettingsError("--delimiter takes one character, such as ';'")

    def _check_query(self) -> None:
        if self.query is not None and not all(map(is_database, self.sources)):
            raise SettingsError(
                "--query asks a database: give its URL as SOURCE, such as postgresql://host/database or "
                "sqlite:///crm.db"
            )

    def is_file(self, source: str) -> bool:
        """Whether the name of a source is a path."""
        return source != STDIN and not is_url(source) and source not in self.given
