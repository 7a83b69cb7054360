"""Source settings: what is read, and in which format. Raise `SettingsError`."""

from dataclasses import dataclass, field
from typing import Literal

from uploader.errors import SettingsError
from uploader.records.duplicates import OnDuplicate
from uploader.sources.names import STDIN, is_url


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    __slots__ = ()  # `Settings` has them

    sources: tuple[str, ...] = field(repr=False)  #: paths, patterns, URLs (which may hold secrets), "-"
    given: frozenset[str] = frozenset()  #: of the sources, those that are rows a program hands over, by name
    format: Literal["csv", "ndjson", "json"] | None = None  #: None: found
    delimiter: str | None = None  #: None: found
    encoding: str | None = None  #: None: UTF-8, or what is certain
    sheet: str | None = None  #: None: the first one that holds anything
    accept_unfinished_last_line: bool = False  #: of a stream: send it
    on_duplicate: OnDuplicate = OnDuplicate.IN_ORDER

    def _check_delimiter(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise SettingsError("--delimiter takes one character, such as ';'")

    def is_file(self, source: str) -> bool:
        """Whether a source is named by a path."""
        return source != STDIN and not is_url(source) and source not in self.given
