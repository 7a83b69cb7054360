"""The project file is saved after each answer, and never over what another program wrote."""

import io
import stat

import pytest

from uploader.cli.guide.answers import Choice, Question
from uploader.cli.guide.terminal import ProjectText, ask
from uploader.errors import SettingsError

MAPPED = "# mine\n[columns]\n"


def question(number):
    line = f'"c{number}" = "p"\n'
    return Question(f"c{number}", choices=[Choice("p", write=lambda text: text + line)], is_proposed=True)


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text(MAPPED)
    file.chmod(0o600)
    return file


class Typing(io.StringIO):
    """What is typed; `does` runs before the last line is read."""

    def __init__(self, text, does=lambda: None):
        super().__init__(text)
        self.does = does

    def readline(self, *arguments):
        line = super().readline(*arguments)
        if not line:
            self.does()
        return line


def test_the_end_of_the_input_leaves_with_what_is_decided(path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Typing("\n"))
    state = ask(ProjectText(path), [question(1), question(2)])
    assert state.has_left
    assert path.read_text() == MAPPED + '"c1" = "p"\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "c2" in capsys.readouterr().err


def test_a_kill_at_a_question_leaves_all_former_answers(path, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Typing("\n", interrupt))
    with pytest.raises(KeyboardInterrupt):
        ask(ProjectText(path), [question(1), question(2)])
    assert path.read_text() == MAPPED + '"c1" = "p"\n'


def test_a_file_that_another_program_changed_is_not_replaced(path, monkeypatch):
    file = ProjectText(path)
    path.write_text("# theirs\n")
    monkeypatch.setattr("sys.stdin", Typing("\n"))
    with pytest.raises(SettingsError, match="was changed by another program"):
        ask(file, [question(1)])
    assert path.read_text() == "# theirs\n"


def test_a_link_to_the_file_stays_a_link(path, monkeypatch):
    link = path.with_name("link.toml")
    link.symlink_to(path)
    monkeypatch.setattr("sys.stdin", Typing("\n"))
    ask(ProjectText(link), [question(1)])
    assert link.is_symlink()
    assert path.read_text() == MAPPED + '"c1" = "p"\n'
