"""What is asked, of what a check found."""

from collections import Counter
from dataclasses import replace

from uploader.check.bad_columns import BadColumn, BadValue
from uploader.check.blank_candidates import Candidate
from uploader.check.mapping_draft import draft
from uploader.check.mapping_edits import decisions
from uploader.check.report import Column, Report
from uploader.cli.guide.answers import State, answered
from uploader.cli.guide.questions import (
    bad_values,
    blank_questions,
    column_questions,
    key_questions,
    match_questions,
    new_properties,
    owner_questions,
    reading_questions,
    unknown_owners,
    value_questions,
)
from uploader.cli.guide.screen import note_lines, question_lines, search_lines
from uploader.hubspot.account import Account
from uploader.hubspot.owner_lookup import Owner, Owners
from uploader.hubspot.schema import Kind, Option, Schema
from uploader.records.repeated_keys import KeyCount
from uploader.records.values.options import clash_in

SCHEMA = Schema(
    labels={
        "email": "Email",
        "jobtitle": "Job Title",
        "city": "City",
        "lifecyclestage": "Lifecycle Stage",
        "hubspot_owner_id": "Contact owner",
        "score": "Score",
        "hs_marketable_status": "Marketing status",
    },
    read_only=frozenset({"score"}),
    kinds={"jobtitle": Kind("string")},
    owners=Owners([Owner("1", "ann@example.com", "Ann", "Lee"), Owner("2", "x@example.com", archived=True)]),
)
HEADER = ("Email", "Email Opt Out", "Title", "Cats", "Lifecycle Stage", "City", "Contact owner")
FILE = '[columns]\n"Email" = "email"\n'
LEAD, OTHER = Option("Lead", "lead"), Option("Other", "other")
HIDDEN = Option("Former", "former", hidden=True)
BAD = BadColumn(
    "Lifecycle Stage",
    "lifecyclestage",
    9,
    [BadValue("Leads", 6, LEAD), BadValue("n/a", 2, None), BadValue("Prospect", 1, None)],
    0,
    is_complete=True,
    options=(OTHER, HIDDEN, LEAD),
)


def report(**found):
    by_label = {"Email": "email", "Lifecycle Stage": "lifecyclestage", "City": "city"}
    by_label["Contact owner"] = "hubspot_owner_id"
    columns = [Column(0, name, by_label.get(name, ""), is_undecided=name not in by_label) for name in HEADER]
    made = Report(columns=columns, account=Account(schema=SCHEMA), **found)
    made.draft = draft(HEADER, SCHEMA, [["a@x.com", "1", "CTO", "3", "Leads", "n/a", "Jon"]])
    return made


def after(questions, *typed, text=FILE):
    state = State(text, questions)
    for one in typed:
        state = answered(state, one)
    return decisions(state.text)


def test_each_undecided_column_is_asked_about_and_opt_outs_come_last():
    titles = [one.title for one in column_questions(report(), FILE)]
    assert titles == [
        'Column "Title" (1 of 3 to be decided)',
        'Column "Cats" (2 of 3 to be decided)',
        'Column "Email Opt Out" (3 of 3 to be decided)',
    ]


def test_what_the_file_says_already_is_not_asked_again():
    text = FILE + '"Title" = "jobtitle"\n"Cats" = { ignore = true }\n"Email Opt Out" = { suppress = true }\n'
    assert column_questions(report(), text) == []
    assert len(column_questions(report(), text.replace('"Cats"', '# "Cats"'))) == 1


def test_a_column_gets_what_was_proposed_a_new_property_or_nothing():
    file = after(column_questions(report(), FILE), "", "c", "2")
    assert file.mapped == {"Email": "email", "Title": "jobtitle", "Cats": "cats"}
    assert file.suppress_where == {"Email Opt Out": ()}
    file = after(column_questions(report(), FILE), "s", "s", "s")
    assert file.ignored == {"Title", "Cats", "Email Opt Out"}


def test_an_opt_out_gets_no_property_of_its_own_and_a_guess_is_only_proposed():
    title, cats, opt_out = column_questions(report(), FILE)
    assert title.is_proposed
    assert not cats.is_proposed
    assert "c" not in opt_out.letters
    assert {one.name for one in cats.known} == SCHEMA.labels.keys() - {"score", "hs_marketable_status"}


def test_opt_outs_are_listed_for_all_such_columns_at_once_and_of_contacts_only():
    made = report()
    made.columns.append(Column(0, "Unsubscribed", "", is_undecided=True))
    made.draft = draft([*HEADER, "Unsubscribed"], SCHEMA, [])
    *_, first, second = column_questions(made, FILE)
    assert [one.title for one in (first, second)] == [
        'Column "Email Opt Out" (3 of 4 to be decided)',
        'Column "Unsubscribed" (4 of 4 to be decided)',
    ]
    state = answered(State(FILE, [first, second]), "")
    assert (state.ahead, state.text) == ([], f'opt_outs = "list"\n{FILE}')
    assert answered(State(FILE, [first, second]), "2").ahead == [second]
    assert len(column_questions(made, FILE, has_addresses=False)[-1].choices) == 1


def test_a_text_that_is_both_value_and_label_is_asked_about():
    found = report()
    found.open_readings = {"City": f"City: row 2: {clash_in('1', {'1': '2'}, 'City')}"}
    [question] = reading_questions(found)
    assert question.about == (
        "Row 2: '1' is the value of one option and the label of the option with the value '2'.",
    )
    assert after([question], "2").option_readings == {"City": "label"}


def test_two_new_properties_of_one_name_are_two():
    made = report()
    made.columns += [Column(0, "cats!", "", is_undecided=True)]
    made.draft = draft([*HEADER, "cats!"], SCHEMA, [])
    title, cats, others, _ = column_questions(made, FILE)
    state = answered(answered(State(FILE, [cats, others]), "c"), "c")
    assert new_properties(state.text, SCHEMA) == {"Cats": "cats", "cats!": "cats_2"}
    assert title.letters["c"].name == "create the property title"


def test_rows_without_a_key_that_have_another_one_are_asked_about():
    made = report()
    assert match_questions(made, ["email"]) == []
    made.findings.keyless, made.findings.other_keys = 435, Counter({"badge": 2, "external_id": 433})
    [question] = match_questions(made, ["email"])
    assert question.title == "435 rows without email"
    assert question.about[1:] == ("433 of them have external_id.", "2 of them have badge.")
    file = 'id_property = "email"  # the address\n' + FILE
    taken = answered(State(file, [question]), "")
    assert taken.text == 'match = ["email", "external_id", "badge"]\n' + FILE
    assert answered(State(file, [question]), "s").text == file


def test_for_ids_that_do_not_repeat_a_property_with_unique_values_is_proposed():
    schema = replace(SCHEMA, labels={**SCHEMA.labels, "badge": "Badge"}, unique=frozenset({"badge"}))
    made = Report(columns=[Column(0, "Contact ID", "", is_undecided=True)], account=Account(schema=schema))
    for ids, proposed in ((["a1", "a2"], ["badge"]), (["a1", "A1"], []), (["a1", "a1"], [])):
        made.draft = draft(["Contact ID"], schema, [[one] for one in ids])
        [question] = column_questions(made, FILE)
        assert [one.name for one in question.choices] == proposed
        assert question.is_proposed == bool(proposed)
        unique = ", with unique values" * bool(proposed)
        assert question.letters["c"].name == f"create the property contact_id{unique}"


def test_columns_of_other_files_may_have_the_same_property():
    made = report()
    made.columns.append(Column(1, "Position", "jobtitle"))
    assert after(column_questions(made, FILE), "").mapped["Title"] == "jobtitle"
    made.columns.append(Column(0, "Role", "jobtitle"))
    assert "Title" not in after(column_questions(made, FILE), "").mapped


def test_words_for_a_blank_go_to_all_columns_or_to_those_that_have_them():
    found = report()
    found.blank_candidates = [
        Candidate("n/a", {"City": 3, "Lifecycle Stage": 2}, is_for_all=True),
        Candidate("?", {"City": 1}, is_for_all=False),
        Candidate("a=b", {"City": 1, "Title": 1}, is_for_all=True),
        Candidate("0", {"Email": 1}, is_for_all=False),
    ]
    questions = blank_questions(found, ["email"], FILE)
    assert after(questions, "", "", "", "s").blank_values == {
        "": ("n/a",), "City": ("?", "a=b"), "Title": ("a=b",),
    }  # fmt: skip
    assert "CAUTION: rows without 'Email', their key, are not sent" in questions[3].about


def test_a_value_is_replaced_emptied_or_left():
    found = report(bad_columns=[BAD])
    values = bad_values(found, 'blank_values = ["N/A"]\n')
    assert [one.text for one in values[0].values] == ["Leads", "Prospect"]
    leads, prospect = value_questions(values)
    assert [one.name for one in leads.choices] == ["lead", "other"]
    assert (leads.is_proposed, prospect.is_proposed) == (True, False)
    assert after([leads, prospect], "", "e").values.replacements == {
        "Lifecycle Stage": {"leads": "lead", "prospect": ""}
    }
    assert after([leads, prospect], "oth", "1", "s").values.replacements == {
        "Lifecycle Stage": {"leads": "other"}
    }
    assert after([leads, prospect], "n").values.replacements == {}


def test_an_owner_that_nobody_knows_is_replaced_by_one_of_the_account():
    found = report()
    found.unknown_owners = {"hubspot_owner_id": Counter({"Jon": 3, "n/a": 1, "Ann Leee": 1})}
    owners = unknown_owners(found, 'blank_values = ["n/a"]\n')
    jon, ann = owner_questions(owners)
    assert jon.title == 'Owner "Jon", 3 cells (1 of 2)'
    assert [one.name for one in jon.known] == ["ann@example.com"]
    assert (jon.is_proposed, ann.is_proposed) == (False, True)
    assert after([jon, ann], "e", "").values.replacements == {
        "Contact owner": {"jon": "", "ann leee": "ann@example.com"}
    }


def test_a_key_of_very_many_rows_has_to_be_decided():
    found = report()
    found.doubtful_keys = [KeyCount("email", "none@none.com", 40), KeyCount("email", "a@x.com", 30)]
    found.blank_candidates = [Candidate("None@none.com", {"Email": 40}, is_for_all=False)]
    assert blank_questions(found, ["email"], FILE) == []
    found.blank_candidates.append(Candidate("a@y.com", {"Email": 9}, is_for_all=False))
    skipped = '[columns]\n"Email" = { property = "email", suppress = ["A@y.com"] }\n'
    assert len(blank_questions(found, ["email"], FILE)) == 1
    assert blank_questions(found, ["email"], skipped) == []
    questions = key_questions(found)
    assert after(questions, "", "", text=FILE) == decisions(FILE)
    file = after(questions, "1", "2")
    assert file.mapped == {"Email": "email"}
    assert file.blank_values == {"Email": ("none@none.com",)}
    assert file.suppress_where == {"Email": ("a@x.com",)}
    text = '[columns]\n"Email" = { property = "email", suppress = ["b@x.com"] }\n'
    assert after(questions, "2", text=text).suppress_where == {"Email": ("b@x.com", "none@none.com")}
    state = answered(State(FILE, questions), "3")
    assert (state.ahead, 'on_duplicate = "in-order"' in state.text) == ([], True)


def test_every_screen_fits_80_columns_and_holds_no_control_characters():
    found = report(bad_columns=[BAD])
    found.doubtful_keys = [KeyCount("email", "\x1b[2J" + "n" * 90, 40)]
    found.blank_candidates = [
        Candidate("n/a", dict.fromkeys(map("Column {}".format, range(20)), 3), is_for_all=True)
    ]
    found.unknown_owners = {"hubspot_owner_id": Counter({"Jon": 3})}
    owners = unknown_owners(found, FILE)
    questions = [
        *column_questions(found, FILE),
        *key_questions(found),
        *blank_questions(found, ["email"], FILE),
        *value_questions([BAD]),
        *owner_questions(owners),
    ]
    for question in questions:
        state = State(FILE, [question])
        searched = answered(state, "e e")
        lines = [*question_lines(state, 80), *note_lines(searched, 80), *search_lines(searched, 80)]
        assert max(map(len, lines)) <= 80, lines
        assert not any(line.endswith("...") for line in lines if "rows" in line), lines
        assert "\x1b" not in "".join(lines)


def test_questions_about_values_have_numbers_if_there_are_several():
    titles = [one.title for one in value_questions([BAD])]
    assert titles[0] == 'Column "Lifecycle Stage": "Leads", 6 cells (1 of 3)'
    assert titles[2].endswith("(3 of 3)")
    (alone,) = value_questions([BAD._replace(values=BAD.values[:1])])
    assert alone.title.endswith("6 cells")


def test_properties_whose_names_end_alike_are_listed_and_the_text_does_not_deny_them():
    made = report()
    made.columns.append(Column(0, "Customer Score Title", "", is_undecided=True))
    labels = {**SCHEMA.labels, "title_code": "Title"}
    made.account = Account(schema=replace(SCHEMA, labels=labels))
    made.draft = draft(["Email", "Customer Score Title"], made.schema, [["a@x.com", "CTO"]])
    (found,) = column_questions(made, FILE)
    assert [one.name for one in found.choices] == ["title_code"]
    assert not found.is_proposed
    assert any("these are the nearest" in line for line in found.about)
