"""Output settings: which files a job writes, and where. Raise `SettingsError`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from uploader.errors import SettingsError
from uploader.records.columns import LIST
from uploader.records.duplicates import OnDuplicate
from uploader.settings.opt_outs import OptOutSettings
from uploader.settings.source import SourceSettings
from uploader.sources.database_urls import is_database
from uploader.sources.names import STDIN, is_pattern, is_url, shown, stem
from uploader.storage.file_names import opt_outs_path
from uploader.system.same_place import place_of


@dataclass(frozen=True, kw_only=True)
class OutputSettings(OptOutSettings, SourceSettings):
    """Includes the source settings: files are named after the first source, and none may be a source."""

    __slots__ = ()  # `Settings` has them

    checkpoint: Path | None = None  #: default: the first source's path + ".checkpoint"
    checkpoint_dir: Path | None = None  #: folder for these files; default: that of the first source
    job_name: str = ""  #: part of these names, for another job that reads the same sources
    results: Path | None = None  #: default: the first source's path + ".results.csv"
    write_results: bool = True
    #: Options that printed commands repeat, with their values: files by name, and the account
    repeated_options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    restart: bool = False
    accept_changed_results: bool = False  #: begin a new results file if the job's own was changed

    def _check_sources(self) -> None:
        if self.checkpoint is not None and self.checkpoint_dir is not None:
            raise SettingsError("use either --checkpoint or --checkpoint-dir, not both")
        if not self.sources:
            raise SettingsError("name at least one source file (or - for stdin)")
        if self.sources.count("-") > 1:
            raise SettingsError("stdin (-) can be given only once")
        if STDIN in self.sources and self.checkpoint is None:
            raise SettingsError("stdin needs --checkpoint PATH, because it has no path to derive one from")
        if STDIN in self.sources and self.duplicate_rule is not OnDuplicate.IN_ORDER:
            raise SettingsError(
                f"--on-duplicate {self.on_duplicate} reads all sources twice, and stdin (-) can be read "
                "only once; use a file"
            )
        if any(map(is_database, self.sources)) and self.duplicate_rule is not OnDuplicate.IN_ORDER:
            raise SettingsError(
                f"--on-duplicate {self.on_duplicate} reads all sources twice, and the rows of a database may "
                "change in between; choose the rows in the query, for example with GROUP BY"
            )
        self._check_given()
        if self.checkpoint is None and not stem(self.sources[0]).rpartition("/")[2]:
            raise SettingsError(
                f"{shown(self.sources[0])} needs --checkpoint PATH, because it has no file name to derive "
                "one from"
            )

    def _check_given(self) -> None:
        for name in self.given:
            if not name or not name.isprintable() or name == STDIN or is_pattern(name) or is_url(name):
                raise SettingsError(f"{name!r} is not a name for rows; use one such as crm-export")
            if self.sources.count(name) > 1:
                raise SettingsError(f"two sources are named {name!r}; use different names")
            if self.checkpoint is None:
                raise SettingsError(
                    f"the rows {name!r} need a checkpoint, because they have no path to derive one from; "
                    "with checkpoint=None nothing is kept, and the job cannot be resumed"
                )
            if self.duplicate_rule is not OnDuplicate.IN_ORDER:
                raise SettingsError(
                    f"--on-duplicate {self.on_duplicate} reads all sources twice, and the rows {name!r} can "
                    "be read only once; use a file"
                )

    def _check_files(self) -> None:
        """SettingsError if a file would be both read and written: --restart would remove a source."""
        named = [("the source", source) for source in self.sources if self.is_file(source)]
        named.append(("the checkpoint", str(self.checkpoint_path)))
        named += [("the results file", str(self.results_path))] if self.results_path else []
        named += [("the list of links", str(self.links_path))] if self.links_path else []
        named += [("the list of opt-outs", str(self.opt_outs_path))] if self.opt_outs_path else []
        seen: dict[str, str] = {}
        for what, path in named:
            place = place_of(path)
            if seen.setdefault(place, what) != what:
                raise SettingsError(f"{path} cannot be both {seen[place]} and {what}")

    @property
    def checkpoint_path(self) -> Path:
        return self.checkpoint or self._named(".checkpoint")

    @property
    def results_path(self) -> Path | None:
        if not self.write_results:
            return None
        if self.results is None and (self.sources[0] == STDIN or self.sources[0] in self.given):
            return self.checkpoint_path.with_name(f"{self.checkpoint_path.name}.results.csv")
        return self.results or self._named(".results.csv")

    @property
    def links_path(self) -> Path | None:
        """The list of links; None if none is written."""
        if not self.write_results:
            return None
        if self.sources[0] == STDIN or self.sources[0] in self.given:
            return self.checkpoint_path.with_name(f"{self.checkpoint_path.name}.links.csv")
        return self._named(".links.csv")

    @property
    def opt_outs_path(self) -> Path | None:
        """The list of opt-outs; None if none is written."""
        return opt_outs_path(self.checkpoint_path) if self.opt_outs == LIST else None

    def _named(self, ending: str) -> Path:
        """The path of a file of the job, named after its first source."""
        path = Path(f"{self._stem}{f'.{self.job_name}' if self.job_name else ''}{ending}")
        return self.checkpoint_dir / path.name if self.checkpoint_dir else path

    @property
    def _stem(self) -> str:
        """The path that the job's files are named after."""
        first = self.sources[0]
        return first if is_pattern(first) and os.path.lexists(first) else stem(first)
