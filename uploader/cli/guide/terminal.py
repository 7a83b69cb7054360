"""The questions on a terminal: shown, answered, and the file saved after each decision."""

import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

from uploader.cli.guide.answers import LEAVE, Question, State, answered
from uploader.cli.guide.screen import note_lines, question_lines, search_lines
from uploader.cli.logs import print_message
from uploader.cli.options.project import PROJECT_OPTION
from uploader.errors import SettingsError
from uploader.option_files.text import read_text
from uploader.system.whole_file import write_whole


def open_terminal() -> None:
    """Prepare to read answers. SettingsError if nobody can give them."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise SettingsError("--guide asks questions, and this is no terminal; leave it out and edit the file")
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # anything may be typed


class ProjectText:
    """The text of a project file, which may be saved again and again."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()  # a link stays one
        self.text = read_text(path, PROJECT_OPTION)

    def save(self, text: str) -> None:
        """Replace the file. SettingsError if another program has changed it: then it stays as it is."""
        if text == self.text:
            return
        if read_text(self.path, PROJECT_OPTION) != self.text:
            raise SettingsError(
                f"{self.path} was changed by another program, so the last answer is not in it; repeat the "
                "command to go on with what it says now"
            )
        write_whole(self.path, text.encode())
        self.text = text


def ask(file: ProjectText, questions: Sequence[Question]) -> State:
    """Ask the questions, and save the file after each answer. KeyboardInterrupt leaves it as it is saved."""
    state, shown = State(file.text, questions), 0
    while state.ahead and not state.has_left:
        width = shutil.get_terminal_size().columns
        if shown != len(state.ahead):
            shown = len(state.ahead)
            _print(question_lines(state, width))
        _print(note_lines(state, width))
        former, state = state, answered(state, _typed())
        file.save(state.text)
        if state.found and state.found is not former.found:
            _print(search_lines(state, width))
    return state


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        print_message(line)


def _typed() -> str:
    """The line that is typed; the end of the input leaves."""
    print_message("> ", end="")
    with suppress(OSError):  # the terminal is gone
        if line := sys.stdin.readline():
            return line
    print_message("")
    return LEAVE
