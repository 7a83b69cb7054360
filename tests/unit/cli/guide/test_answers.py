"""A state and an answer make the next state."""

from dataclasses import replace
from functools import partial

import pytest

from uploader.check.mapping_edits import decisions, with_column
from uploader.cli.guide.answers import Choice, Question, State, answered

TEXT = '# mine\n[columns]\n# "Title" = "jobtitle"\n'
PROPERTIES = [
    Choice(name, label, partial(with_column, column="Title", details={"property": name}), name)
    for name, label in (("jobtitle", "Job Title"), ("company", "Company Name"), ("salutation", "Salutation"))
]
IGNORE = Choice("leave the column out", write=partial(with_column, column="Title", details={"ignore": True}))
TITLE = Question(
    "Title",
    choices=PROPERTIES[:2],
    is_proposed=True,
    letters={"s": IGNORE},
    known=PROPERTIES,
    what="properties",
)
NEXT = Question("Next", letters={"s": Choice("leave it")}, group="values")


def start(*questions, text=TEXT):
    return State(text, questions)


def after(*answers, of=None):
    state = of or start(TITLE, NEXT)
    for one in answers:
        state = answered(state, one)
    return state


@pytest.mark.parametrize(
    ("typed", "mapped"),
    [
        ("", "jobtitle"),
        ("\n", "jobtitle"),
        ("2", "company"),
        ("s", None),
        ("S", None),
        (("salu", ""), "salutation"),
        (("NAME  comp", "1"), "company"),
        (("cömpany", "1"), "company"),
    ],
)
def test_enter_takes_the_proposal_a_number_picks_and_a_text_searches(typed, mapped):
    state = after(*([typed] if isinstance(typed, str) else typed))
    assert state.ahead == (NEXT,)
    assert state.answered == 1
    assert decisions(state.text).mapped.get("Title") == mapped
    assert decisions(state.text).ignored == (set() if mapped else {"Title"})
    assert state.text.startswith("# mine\n")


@pytest.mark.parametrize("typed", ["7", "0", "no such property", "x", "t"])
def test_what_is_not_understood_decides_nothing(typed):
    state = after(typed)
    assert (state.text, state.ahead, state.choices) == (TEXT, (TITLE, NEXT), TITLE.choices)
    assert state.note


def test_enter_takes_nothing_where_nothing_is_proposed():
    question = replace(TITLE, is_proposed=False)
    state = after("", of=start(question))
    assert (state.text, state.ahead) == (TEXT, (question,))
    assert state.note.startswith("Nothing is proposed")


def test_a_search_numbers_what_it_found_with_the_exact_name_first_and_says_how_many_more():
    many = [Choice(f"a{number} title", "") for number in range(12)]
    question = replace(TITLE, known=[*many, *PROPERTIES, Choice("title", "")])
    state = after("title", of=start(question))
    assert [one.name for one in state.choices][:2] == ["title", "a0 title"]
    assert len(state.choices) == 9
    assert state.note.startswith("5 more have 'title'")


def test_back_returns_to_the_former_question_with_the_text_it_had():
    state = after("", "b")
    assert (state.text, state.ahead, state.answered) == (TEXT, (TITLE, NEXT), 0)
    assert after("b").note == "This is the first question."
    assert decisions(after("", "b", "s").text).ignored == {"Title"}


def test_leaving_keeps_what_is_decided():
    state = after("", "q")
    assert state.has_left
    assert decisions(state.text).mapped == {"Title": "jobtitle"}
    assert not after("").has_left


def test_a_property_of_another_column_is_not_taken_twice():
    text = TEXT + '"Position" = "jobtitle"\n'
    question = replace(TITLE, beside={"Position": "", "Firm": "company"})
    for typed, column in (("", "Position"), ("2", "Firm")):
        state = after(typed, of=start(question, text=text))
        assert (state.text, state.ahead) == (text, (question,))
        assert repr(column) in state.note
    # What the file says of a column goes before what is known of it without the file.
    moved = after("2", of=start(question, text=text + '"Firm" = { ignore = true }\n'))
    assert decisions(moved.text).mapped["Title"] == "company"


def test_one_letter_leaves_all_other_questions_of_a_group():
    leave = replace(NEXT, letters={"n": Choice("leave them", skips_group=True)})
    state = after("n", of=start(leave, NEXT, NEXT, TITLE))
    assert state.ahead == [TITLE]


def test_a_file_that_cannot_be_edited_is_left_alone_and_the_question_can_be_passed():
    text = '[columns.Title]\nblank = "clear"\n'
    state = after("", of=start(TITLE, NEXT, text=text))
    assert (state.text, state.ahead) == (text, (TITLE, NEXT))
    assert '"Title" = { blank = "clear", property = "jobtitle" }' in state.note
