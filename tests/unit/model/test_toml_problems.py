"""A key that stands twice is named with its lines; other errors are told as they are."""

import tomllib

import pytest

from uploader.model.toml_problems import toml_problem


def problem(text):
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    return toml_problem(text, caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[p]]\nof = "x"\n[[p]]\nof = "s"\n# t\nof = "e"\n', "of stands twice (lines 4 and 6)"),
        ('[c]\n"A = b" = 1\n\n"A = b" = { x = 1 }\n', '"A = b" stands twice (lines 2 and 4)'),
        ("[x]\na = 1\n[y]\n[x]\n", "[x] stands twice (lines 1 and 4)"),
        ("rate = = 1\n", "Invalid value (at line 1, column 8)"),
        ("[c", "at end of document"),
        ("a = [\n1]\na = [\n2]\n", "Cannot overwrite a value (at line 4"),
        ("[[p]]\n[p]\n", "Cannot"),
    ],
)
def test_what_is_wrong_is_said_with_its_lines(text, says):
    assert problem(text).startswith("not valid TOML: ")
    assert says in problem(text)
