"""The tables of exports hold together."""

import tomllib
from importlib.resources import files

import pytest

from uploader.hubspot.object_types import TYPE_IDS
from uploader.records.headers.tables import ASK, IGNORE, OPT_OUT, tables, usual_target
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
    if heading in {"columns", "plain", "telling"}
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
    properties = {target.removeprefix(ASK) for target in COLUMNS[table].values()} - {OPT_OUT, ""}
    properties = {target for target in properties if not target.startswith(IGNORE)}
    assert [name for name in properties if not name.replace("_", "").isalnum() or not name.islower()] == []


@pytest.mark.parametrize("table", COLUMNS)
def test_what_is_left_out_may_be_links_to_records_of_a_known_type(table):
    objects = {target[1:].removesuffix(".id") for target in COLUMNS[table].values() if target[:1] == IGNORE}
    assert objects - {""} <= TYPE_IDS.keys()


def test_lines_are_in_lower_case_and_each_system_has_a_name():
    systems = tables().systems
    assert len({one.name for one in systems}) == len(FILES) - 1
    assert all(line == line.casefold() for one in systems for line in one.lines)


def test_a_usual_name_is_known_in_any_spelling():
    assert usual_target("E-MAIL address") == "email"
    assert usual_target("straße") == usual_target("Strasse") == "address"
    assert usual_target("zzz") == ""
