"""The command that uploads corrected rows has the settings of their job."""

from uploader.cli.text.upload_again import unnamed_files, upload_again_command
from uploader.records.mapping_file import parse_mapping
from uploader.storage.checkpoint import Identity

SETTINGS = {"id_property": "email", "match": ["email"], "object_type": "contacts", "map": {}, "ignore": []}


def command(settings, mapping=None, **options):
    identity = Identity((), {**SETTINGS, **settings}, True, "")
    repeated = {"--mapping": ["m.toml"]} if mapping else options
    return upload_again_command("failed.csv", "", identity, repeated, mapping and parse_mapping(mapping))


def test_blank_words_are_given_again():
    words = {"": ["-", "n/a"], "Phone": ["000 000"]}
    assert command({"blank_values": words}).endswith(
        "--blank-value - --blank-value n/a --blank-value 'Phone=000 000'"
    )


def test_blank_words_of_the_mapping_file_are_given_by_the_file():
    mapping = (
        'blank_values = ["N/A"]\n[columns]\nPhone = { blank_values = ["="] }\nCity = { blank_values = [] }'
    )
    words = {"": ["-", "n/a"], "Phone": ["="], "City": []}
    assert command({"blank_values": words}, mapping).endswith("--mapping m.toml --blank-value -")


def test_rows_of_one_key_are_written_again_without_a_question():
    """That all rows of a key are written in order is the default, but not that it was decided."""
    kept = {"--on-duplicate": ["in-order"]}
    assert command({"on_duplicate": "in-order"}, **kept).endswith("--on-duplicate in-order")
    assert command({"on_duplicate": "in-order"}).endswith("failed.csv")
    assert command({"on_duplicate": "last"}).endswith("--on-duplicate last")


def test_opt_outs_are_listed_again():
    assert command({"opt_outs": "list"}).endswith("--opt-outs list")


def test_the_records_go_into_the_same_list():
    kept = {"--add-to-list": ["Came in 2026"]}
    assert command({}, **kept).endswith("--add-to-list 'Came in 2026'")


def test_that_a_column_has_no_blank_words_is_left_to_the_mapping_file():
    """No option says so. Without the file, cells that the job sent would be blank."""
    settings = {**SETTINGS, "blank_values": {"": ["-"], "City": []}}
    identity = Identity((), settings, True, "")
    assert ", with --mapping added," in unnamed_files(identity, {}, None)
    kept = parse_mapping("[columns]\nCity = { blank_values = [] }")
    assert unnamed_files(identity, {}, kept) == ""
    assert unnamed_files(Identity((), SETTINGS, True, ""), {}, None) == ""


def test_links_are_made_again_unless_the_mapping_file_says_so():
    recorded = [
        {"column": "AccountId", "associate": "companies", "by": "sf_id", "label": "Primary"},
        {"column": "Deal", "associate": "deals", "by": "id"},
    ]
    assert command({"associate": recorded}).endswith(
        "--associate AccountId=companies.sf_id:Primary --associate Deal=deals.id"
    )
    file = '[columns]\nAccountId = { associate = "companies", by = "sf_id", label = "Primary" }'
    assert command({"associate": recorded}, file).endswith("--mapping m.toml --associate Deal=deals.id")


def test_how_the_values_of_a_cell_are_separated_is_left_to_the_mapping_file():
    recorded = [{"column": "Deals", "associate": "deals", "by": "id", "separator": ";"}]
    assert command({"associate": recorded}).endswith("failed.csv")
    identity = Identity((), {**SETTINGS, "associate": recorded}, True, "")
    assert ", with --mapping added," in unnamed_files(identity, {}, None)
    kept = parse_mapping('[columns]\nDeals = { associate = "deals", by = "id", separator = ";" }')
    assert unnamed_files(identity, {}, kept) == ""


def test_records_that_are_missing_are_created_for_links_again():
    kept = {"--create-missing": ["companies", "deals"]}
    assert command({}, **kept).endswith("--create-missing companies --create-missing deals")
