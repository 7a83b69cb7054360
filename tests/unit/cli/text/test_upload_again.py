"""The command that uploads corrected rows has the settings of their job."""

from uploader.cli.text.upload_again import upload_again_command
from uploader.records.mapping_file import parse_mapping
from uploader.storage.checkpoint import Identity

SETTINGS = {"id_property": "email", "match": ["email"], "object_type": "contacts", "map": {}, "ignore": []}


def command(settings, mapping=None):
    identity = Identity((), {**SETTINGS, **settings}, True, "")
    repeated = {"--mapping": ["m.toml"]} if mapping else {}
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
