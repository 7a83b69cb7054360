"""A mapping file says what options say; what it can't mean is refused with its line."""

import pytest

from uploader.cli.options.columns import column_settings
from uploader.errors import SettingsError
from uploader.model.associations import LinkColumn
from uploader.option_files.owner_map import read_owner_map
from uploader.records.columns import MappingError
from uploader.records.mapping_file import parse_mapping

TEXT = """timezone = "Europe/Berlin"
blank_values = ["n/a", "-"]
on_bad_value = "drop"

[columns]
"E-mail" = "email"
"Note" = { ignore = true }
"Born" = { property = "date_of_birth", date_order = "DMY", blank = "clear" }

[columns.Sum]
property = "score"
decimal = ","

[columns.Tier]
options = "label"
blank_values = ["="]
"""
NOTHING = {
    "mapped": (), "ignored": (), "only": (), "cleared": (), "date_orders": (), "decimals": (),
    "option_readings": (), "blank_values": (), "associations": (), "create_missing": (),
    "timezones": (), "on_bad_value": None, "owner_map": None, "mapping": None, "values": None,
}  # fmt: skip


def test_a_file_says_what_options_say():
    parsed = parse_mapping(TEXT)
    assert parsed.mapped == {"E-mail": "email", "Born": "date_of_birth", "Sum": "score"}
    assert (parsed.ignored, parsed.cleared, parsed.on_bad_value) == ({"Note"}, {"Born"}, "drop")
    assert (parsed.date_orders, parsed.decimals) == ({"Born": "DMY"}, {"Sum": ","})
    assert parsed.timezones == {"": "Europe/Berlin"}
    assert parsed.option_readings == {"Tier": "label"}
    assert parsed.blank_values == {"": ("n/a", "-"), "Tier": ("=",)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[columns]\na = { propery = 'x' }", "line 2: 'a': unknown key 'propery'"),
        ("decimals = ','", "line 1: unknown key 'decimals'"),
        ("\n[columns.a]\ndate_order = 'DYM'", "line 3: 'a': date_order 'DYM' is not one of"),
        ("[columns]\na = 3", "line 2: 'a' must be a property"),
        ("[columns]\na = { property = 'x', ignore = true }", "line 2: 'a' has both"),
        ("[columns]\na = { suppress = false }", "line 2: 'a': suppress must be true"),
        ("[columns]\na = { suppress = [] }", "line 2: 'a': suppress must be true"),
        ("[columns]\na = { suppress = [1] }", "line 2: 'a': suppress must be true"),
        ("blank_values = '-'", "line 1: blank_values must be a list of texts"),
        ("[columns]\na = { blank_values = [0] }", "line 2: 'a': blank_values must be a list of texts"),
        ("[columns]\na = { blank_values = [' '] }", "line 2: 'a': blank_values must be a list of texts"),
        ("columns = 1", "columns must be a table"),
        ("[columns", "not valid TOML"),
    ],
)
def test_senseless_entries_are_refused_with_their_line(text, says):
    with pytest.raises(MappingError) as caught:
        parse_mapping(text)
    assert says in str(caught.value)


def test_options_go_before_the_file(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text(TEXT)
    parsed = column_settings(
        {
            **NOTHING,
            "mapping": path,
            "mapped": ("Note=note",),
            "ignored": ("Born",),
            "decimals": ("Sum=.",),
            "date_orders": ("mdy", "Seen=seconds"),
            "option_readings": ("value",),
            "blank_values": ("none", "Tier=?", "a=b=0", "Tier=."),
            "on_bad_value": "reject",
        }
    )
    assert parsed["mapped"] == {"E-mail": "email", "Sum": "score", "Note": "note"}
    assert (parsed["ignored"], parsed["cleared"]) == ({"Born"}, frozenset())
    assert parsed["date_orders"] == {"Born": "DMY", "": "MDY", "Seen": "SECONDS"}
    words = {"": ("n/a", "-", "none"), "Tier": ("=", "?", "."), "a=b": ("0",)}
    assert parsed["blank_values"] == words
    assert parsed["option_readings"] == {"Tier": "label", "": "value"}
    assert (parsed["decimals"], parsed["on_bad_value"]) == ({"Sum": "."}, "reject")


@pytest.mark.parametrize("entry", ["", " ", "=", "Phone=", "=n/a"])
def test_an_entry_without_a_blank_word_is_refused(entry):
    with pytest.raises(SettingsError, match="--blank-value"):
        column_settings({**NOTHING, "blank_values": (entry,)})


def test_a_file_of_values_goes_before_the_mapping_file(tmp_path):
    (tmp_path / "m.toml").write_text('[columns]\nTier = "tier"\n[values.Tier]\nTop = "gold"\nLow = "iron"\n')
    (tmp_path / "v.csv").write_text("Tier,TOP,platinum\nNote,x,\n")
    given = {**NOTHING, "mapping": tmp_path / "m.toml", "values": tmp_path / "v.csv", "ignored": ("Note",)}
    parsed = column_settings(given)
    assert parsed["translations"] == {"Tier": {"top": "platinum", "low": "iron"}}
    assert parsed["translation_places"]["Tier"] == {
        "top": f"--values {tmp_path}/v.csv: line 1",
        "low": f"--mapping {tmp_path}/m.toml: line 5",
    }
    assert parsed["repeated_options"]["--values"] == (f"{tmp_path}/v.csv",)


def test_owners_are_read_from_csv_with_and_without_a_heading_and_from_toml(tmp_path):
    for name, text in (
        ("a.csv", "theirs,ours\n005x,ann@x.com\n"),
        ("b.csv", "\ufeff005x;ann@x.com\n\n"),
        ("c.toml", '005x = "ann@x.com"\n'),
        ("d.csv", '"=""005x""",\u200bann@x.com\n'),
    ):
        (tmp_path / name).write_text(text)
        assert read_owner_map(tmp_path / name) == {"005x": "ann@x.com"}


def test_a_blank_beside_an_owner_means_no_owner(tmp_path):
    for text in ("theirs,ours\nGone,\n005x,ann@x.com\n", "Gone,\n005x,ann@x.com\n"):
        (tmp_path / "a.csv").write_text(text)
        assert read_owner_map(tmp_path / "a.csv") == {"Gone": "", "005x": "ann@x.com"}


@pytest.mark.parametrize("text", ["a\n", "a,1\na,2\n", "a,b\nc,d\n", "x,1\n,2\n"])
def test_a_wrong_list_of_owners_is_refused(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(SettingsError, match="--owner-map"):
        read_owner_map(path)


def test_link_columns_of_options_go_before_those_of_the_file(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text(
        """
        [columns]
        A = { associate = "companies", by = "sf_id" }
        B = { associate = "deals", results = "deals.csv.results.csv", by = "external_id" }
        C = { associate = "deals", by = "id", separator = ";" }
        """
    )
    given = {**NOTHING, "mapping": path, "associations": ("A=companies.id:Primary", "D=deals.id")}
    parsed = column_settings({**given, "ignored": ("C",)})
    assert parsed["associations"] == (
        LinkColumn("B", "deals", "external_id", results=str(tmp_path / "deals.csv.results.csv")),
        LinkColumn("A", "companies", "id", "Primary"),
        LinkColumn("D", "deals", "id"),
    )
    with pytest.raises(SettingsError, match="--associate 'A' is not"):
        column_settings({**NOTHING, "associations": ("A",)})


def test_a_column_without_a_property_is_told_how_it_is_left_out():
    with pytest.raises(
        MappingError, match=r"'b': property must be a text; to leave the column out: \{ ignore = true \}"
    ):
        parse_mapping('[columns]\na = "city"\nb = ""\n')
