"""`uploader help`: the manual, page by page, as it stands in a pipe."""

import pytest

from uploader.cli.commands.help import PAGES, topics, without_markup
from uploader.cli.main import COMMANDS, run


def page(name):
    return without_markup((PAGES / f"{name}.md").read_text(encoding="utf-8"))


def test_without_a_topic_it_lists_the_pages(capsys):
    assert run(["help"]) == 0
    assert capsys.readouterr().out == page("README")


@pytest.mark.parametrize("topic", topics())
def test_it_shows_the_page_of_a_topic(topic, capsys):
    assert run(["help", topic]) == 0
    assert capsys.readouterr().out == page(topic)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in topics()])
def test_of_a_command_without_a_page_it_shows_the_options(name, capsys):
    assert run([name, "--help"]) == 0
    options = capsys.readouterr().out
    assert run(["help", name]) == 0
    assert capsys.readouterr().out == options


@pytest.mark.parametrize("topic", topics())
def test_a_page_in_a_pipe_has_no_markup_of_pictures_and_links(topic, capsys):
    assert run(["help", topic]) == 0
    assert "](" not in capsys.readouterr().out


def test_an_unknown_topic_gets_a_suggestion(capsys):
    assert run(["help", "inptu"]) == 2
    assert capsys.readouterr().err == "uploader: the manual has no page 'inptu'; did you mean input?\n"
    assert run(["help", "README"]) == 2
    assert run(["help", "../README"]) == 2
    assert capsys.readouterr().out == ""
