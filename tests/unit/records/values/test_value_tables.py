"""Tables of values say the same in CSV, in TOML and in a mapping file; what is wrong has its line."""

import pytest

from uploader.errors import SettingsError
from uploader.option_files.value_tables import read_value_tables
from uploader.records.columns import MappingError
from uploader.records.mapping_file import parse_mapping
from uploader.records.values.value_tables import parse_value_csv, parse_value_toml

FOUND = {"Lifecycle Stage": {"prospect": "lead", "n/a": ""}, "Tier": {"top": "gold"}}
CSV = "column,value,replacement\nLifecycle Stage,Prospect,lead\nLifecycle Stage,n/a,\nTier,TOP,gold\n"
TOML = """
["Lifecycle Stage"]
"Prospect" = "lead"
# "MQL" = "OPTION"
"n/a" = ""

[Tier]
TOP = "gold"
"""


@pytest.mark.parametrize(
    "text",
    [
        CSV,
        CSV.partition("\n")[2],
        CSV.replace(",", ";"),
        CSV.replace(",", "\t").replace("\n", "\r\n"),
        CSV.replace("\n", ",,\n"),
        CSV.replace("Prospect", '"=""Prospect"""'),
        f"{CSV}\nTier,top,gold\n",
    ],
)
def test_a_spreadsheet_makes_such_tables(text):
    assert parse_value_csv(text).replacements == FOUND


def test_toml_has_a_table_for_each_column():
    tables = parse_value_toml(TOML)
    assert tables.replacements == FOUND
    assert tables.places == {
        "Lifecycle Stage": {"prospect": "line 3", "n/a": "line 5"},
        "Tier": {"top": "line 8"},
    }


def test_a_mapping_file_has_them_in_a_column_or_in_tables_of_their_own():
    text = (
        '[columns]\n"Lifecycle Stage" = { property = "x", values = { "Prospect" = "lead" } }\nTier = "tier"\n'
    )
    file = parse_mapping(f'{text}\n[values."Lifecycle Stage"]\n"n/a" = ""\n\n[values.Tier]\nTop = "gold"\n')
    assert file.values.replacements == FOUND
    assert file.values.places["Lifecycle Stage"] == {"prospect": "line 2", "n/a": "line 6"}
    assert file.mapped == {"Lifecycle Stage": "x", "Tier": "tier"}


def test_the_same_value_is_found_in_the_table_of_its_column():
    text = '[columns]\nB = "b"\n\n[values.A]\nx = "1"\n\n[values.B]\n# x = "3"\nx = "2"\n'
    assert parse_mapping(text).values.places == {"A": {"x": "line 5"}, "B": {"x": "line 9"}}


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        (
            parse_value_csv,
            "a,x,1\na,X ,2\n",
            "line 2: 'a': 'X' is replaced by '2' here, and by '1' in line 1",
        ),
        (parse_value_csv, "column,value,replacement\na,x\n", "line 2 has 2 cells and not three"),
        (parse_value_csv, "a,,1\n", "line 1: the value is blank"),
        (parse_value_csv, ",x,1\n", "line 1: the column is blank"),
        (
            parse_value_toml,
            '[a]\nx = "1"\nX = "2"\n',
            "line 3: 'a': 'X' is replaced by '2' here, and by '1' in line 2",
        ),
        (parse_value_toml, "[a]\nx = 1\n", "line 2: 'a': what replaces 'x' must be a text"),
        (parse_value_toml, 'a = "x"\n', "line 1: 'a' must be a table of values"),
        (parse_value_toml, "[a", "not valid TOML"),
        (parse_mapping, "[columns]\na = { values = 3 }", "line 2: 'a' must be a table of values"),
        (parse_mapping, "values = 3", "values must be tables"),
        (
            parse_mapping,
            '[columns]\na = { values = { "x" = "1" } }\n[values.a]\nX = "2"\n',
            "'a': 'x' is replaced by '1' here, and by '2' in line 4",
        ),
        (
            parse_value_toml,
            '[Owner]\n"Ann" = "7"\n"Lead Source" = { ignore = true }\n',
            "the line is in the table of values of 'Owner': columns belong to [columns]",
        ),
    ],
)
def test_senseless_tables_are_refused_with_their_line(parse, text, says):
    with pytest.raises(MappingError) as caught:
        parse(text)
    assert says in str(caught.value)


def test_the_name_of_the_file_says_its_form_and_is_in_the_message(tmp_path):
    for name, text in (("a.csv", f"\ufeff{CSV}"), ("b.TOML", TOML)):
        (tmp_path / name).write_text(text)
        assert read_value_tables(tmp_path / name).replacements == FOUND
    (tmp_path / "c.csv").write_text("a,b\n")
    for name in ("c.csv", "none.csv"):
        with pytest.raises(SettingsError, match=rf"--values .*{name}"):
            read_value_tables(tmp_path / name)
