"""Project files and plans as they were read, and how they are named."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uploader.records.mapping_file import MappingFile

PROJECT_OPTION = "--project"
SOURCE = "SOURCE"
#: Between the path of a plan and the name of a step, and what such a name may be.
MARK, STEP_NAME = "#", re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Project:
    """A project file that was read, or a step of a plan."""

    path: Path  #: of a step `plan.toml#step`
    mapping: MappingFile = field(repr=False)
    values: Mapping[str, Any] = field(default_factory=dict)  #: by option, such as `--portal`; or `SOURCE`
    lines: Mapping[str, int] = field(default_factory=dict)  #: of each option
    step: str = ""  #: "" if it is no step
    job_name: str = (
        ""  #: part of the names of the job's files, where those of an earlier step would be the same
    )

    @property
    def file(self) -> Path:
        """The file with its text."""
        return step_named(self.path)[0] if self.step else self.path

    def place_of(self, option: str) -> str:
        return f"line {self.lines[option]} of {self.file}" if option in self.lines else str(self.path)


@dataclass(frozen=True, slots=True)
class Plan:
    """A file with steps that was read."""

    path: Path
    steps: Sequence[Project]


def step_named(path: Path) -> tuple[Path, str]:
    """The file and the step that `plan.toml#step` names; "" if it names none."""
    name, mark, step = path.name.rpartition(MARK)
    return (path.with_name(name), step) if mark and name and STEP_NAME.fullmatch(step) else (path, "")


def path_of(plan: Path, step: str) -> Path:
    """The name of a step where a project file is named."""
    return plan.with_name(f"{plan.name}{MARK}{step}")
