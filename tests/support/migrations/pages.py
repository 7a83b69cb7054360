"""The migrations that a page of the manual shows: commands with what they print, and edits of a file.

In    a section of a page: indented lines, of which a command begins with `$ ` and what it printed follows;
      fenced blocks of `diff`, and of `toml` whose first line is a comment with the name of the file.
Rules A shown line that ends with ` ...` is the beginning of one; `...` alone stands for lines left out.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

MANUAL = Path(__file__).parents[3] / "uploader" / "docs"
_BLOCKS = re.compile(
    r"^```(?:diff|toml)\n(.*?)^```$|((?:^    [^\n]*\n|^\n(?=    ))+)", re.MULTILINE | re.DOTALL
)
_NUMBER = re.compile(r">?\d[\d,]*[+%]?")
_RULE = re.compile(r"-{3,}")
_DURATION = re.compile(r"\b\d+ (?:s|min)\b")
_CUT, _LEFT_OUT = " ...", "..."


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and what the page shows of its output."""

    line: str
    shown: Sequence[str]

    @property
    def words(self) -> list[str]:
        return shlex.split(self.line)

    def missing(self, *streams: str, masks_numbers: bool = False) -> list[str]:
        """The shown lines that no stream has, in the order of the page."""
        left = [iter([_masked(line, masks_numbers) for line in text.splitlines()]) for text in streams]
        lines = [list(one) for one in left]
        places = [0] * len(lines)
        missing = []
        for line in self.shown:
            if line in {_LEFT_OUT, ""}:
                continue
            wanted, is_cut = _masked(line.removesuffix(_CUT), masks_numbers), line.endswith(_CUT)
            for stream, at in enumerate(places):
                found = next(
                    (
                        place
                        for place, text in enumerate(lines[stream][at:], at)
                        if text == wanted or (is_cut and text.startswith(wanted))
                    ),
                    None,
                )
                if found is not None:
                    places[stream] = found + 1
                    break
            else:
                missing.append(line)
        return missing


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit of a file, as a diff without line numbers."""

    name: str
    hunks: Sequence[Sequence[str]]

    def apply(self, folder: Path, *, masks_numbers: bool = False) -> None:
        """Change the file. AssertionError if it does not have the lines, or several times."""
        path = folder / self.name
        lines = path.read_text(encoding="utf-8").splitlines()
        for hunk in self.hunks:
            old = [_masked(line[1:], masks_numbers) for line in hunk if line[:1] != "+"]
            masked = [_masked(line, masks_numbers) for line in lines]
            places = [at for at in range(len(lines)) if masked[at : at + len(old)] == old]
            assert len(places) == 1, (self.name, hunk, places)
            (at,) = places
            lines[at : at + len(old)] = [line[1:] for line in hunk if line[:1] != "-"]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that the page shows whole."""

    name: str
    text: str

    def apply(self, folder: Path, *, masks_numbers: bool = False) -> None:
        del masks_numbers
        (folder / self.name).write_text(self.text, encoding="utf-8")


def _masked(line: str, masks_numbers: bool) -> str:
    line = _DURATION.sub("N s", line.rstrip())
    return " ".join(_NUMBER.sub("N", _RULE.sub("---", line)).split()) if masks_numbers else line


def steps_of(page: str, heading: str) -> list[Command | Edit | NewFile]:
    """The commands and edits below a heading of a page, in their order."""
    text = (MANUAL / f"{page}.md").read_text(encoding="utf-8")
    section = re.search(
        rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{2,3}} |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert section, heading
    return [step for block in _BLOCKS.finditer(section[2]) for step in _steps(block[1], block[2])]


def _steps(fenced: str | None, indented: str | None) -> Iterator[Command | Edit | NewFile]:
    if fenced is not None:
        is_diff = fenced.startswith("---")
        yield _edit(fenced.splitlines()) if is_diff else _new_file(fenced)
        return
    lines = [line[4:] for line in (indented or "").splitlines()]
    starts = [at for at, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in pairwise([*starts, len(lines)]):
        yield Command(lines[start].removeprefix("$ "), lines[start + 1 : end])


def _new_file(text: str) -> NewFile:
    first, _, _ = text.partition("\n")
    return NewFile(first.removeprefix("# "), text)


def _edit(lines: Sequence[str]) -> Edit:
    name = next(line.removeprefix("+++ ") for line in lines if line.startswith("+++ "))
    hunks: list[list[str]] = []
    for line in lines:
        if line.startswith("@@"):
            hunks.append([])
        elif hunks:
            hunks[-1].append(line or " ")
    return Edit(name, hunks)
