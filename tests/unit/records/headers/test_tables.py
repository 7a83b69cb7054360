"""The tables of exports hold together."""

import tomllib
from importlib.resources import files

import pytest

from uploader.hubspot.object_types import TYPE_IDS
from uploader.records.headers.tables import ASK, IGNORE, KEY, OPT_OUT, tables, usual_target
from uploader.records.known_headers import bare, carries_opt_out

FILES = {
    path.name: tomllib.loads(path.read_text(encoding="utf-8"))
    for path in files("uploader.records.headers").iterdir()
    if path.name.endswith(".toml")
}
COLUMNS = {
    (name, heading): columns
    for name, file in FILES.items()
    for heading, columns in file.items()
    if heading in {"columns", "plain", "telling", "companies", "deals"}
}


@pytest.mark.parametrize("table", COLUMNS)
def test_no_name_stands_in_a_table_twice(table):
    names = list(map(bare, COLUMNS[table]))
    assert [name for name in names if names.count(name) > 1] == []


@pytest.mark.parametrize("table", COLUMNS)
def test_opt_outs_are_marked_and_stop_every_upload_by_their_names(table):
    """`upload` never reads the tables: the names alone have to tell."""
    marked = {column for column, target in COLUMNS[table].items() if target == OPT_OUT}
    assert marked == {column for column in COLUMNS[table] if carries_opt_out(column)}


@pytest.mark.parametrize("table", COLUMNS)
def test_an_entry_is_a_sign_or_a_property(table):
    entries = {target.removeprefix(ASK).removeprefix(KEY) for target in COLUMNS[table].values()}
    properties = {target for target in entries - {OPT_OUT, ""} if not target.startswith(IGNORE)}
    assert [name for name in properties if not name.replace("_", "").isalnum() or not name.islower()] == []


@pytest.mark.parametrize("table", COLUMNS)
def test_what_is_left_out_may_be_links_to_records_of_a_known_type(table):
    links = {target[1:].partition(".")[::2] for target in COLUMNS[table].values() if target[:1] == IGNORE}
    assert {objects for objects, _ in links} - {""} <= TYPE_IDS.keys()
    assert {by for _, by in links} <= {"", "id", "name"}


@pytest.mark.parametrize("system", sorted({one.name for one in tables().systems}))
def test_links_of_a_system_name_the_key_of_its_records(system):
    of = {one.object_type: one.columns for one in tables().systems if one.name == system}
    keys = {one: {entry[1:] for entry in table.values() if entry[:1] == KEY} for one, table in of.items()}
    ignored = {target[1:] for columns in of.values() for target in columns.values() if target[:1] == IGNORE}
    links = [one.partition(".") for one in ignored if "." in one]
    assert all(by in keys[objects] for objects, _, by in links if by not in {"id", "name"})


def test_lines_are_in_lower_case_and_each_system_has_a_name():
    systems = tables().systems
    assert len({one.name for one in systems}) == len(FILES) - 1
    assert all(line == line.casefold() for one in systems for line in one.lines)


def test_a_usual_name_is_known_in_any_spelling():
    assert usual_target("E-MAIL address") == "email"
    assert usual_target("straße") == usual_target("Strasse") == "address"
    assert usual_target("zzz") == ""
    assert [usual_target("Stage", one) for one in ("deals", "0-3", "contacts", "tickets", "p_cars")] == [
        *("dealstage", "dealstage"),
        *("?lifecyclestage", "?lifecyclestage", "?lifecyclestage"),
    ]
