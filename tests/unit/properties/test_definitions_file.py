"""The file of properties to be created."""

import pytest

from uploader.errors import SettingsError
from uploader.hubspot.new_properties import Definition
from uploader.hubspot.schema import Option
from uploader.properties.definitions_file import parse_definitions

GOOD = """
object_type = "companies"

[[property]]
name = "lead_source"
label = "Lead source"
type = "enumeration"
group = "companyinformation"
options = ["web", { value = "fair", label = "Trade fair" }]
description = "Where we met"

[[property]]
name = "code2"
label = "Code"
type = "string"
field_type = "textarea"
group = "g"
unique = true
"""


def test_a_file_is_read_as_its_docstring_says():
    file = parse_definitions(GOOD)
    assert file.object_type == "companies"
    assert file.definitions == (
        Definition(
            name="lead_source",
            label="Lead source",
            type="enumeration",
            field_type="select",
            group="companyinformation",
            options=(Option("web", "web"), Option("Trade fair", "fair")),
            description="Where we met",
        ),
        Definition(
            name="code2", label="Code", type="string", field_type="textarea", group="g", is_unique=True
        ),
    )
    assert parse_definitions(GOOD.replace('object_type = "companies"', "")).object_type == "contacts"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ('name = "code2"', 'name = "Code2"', "property 'Code2': a name has only lower-case letters"),
        ('name = "code2"', 'name = "2code"', "begins with a letter"),
        ('name = "code2"', f'name = "{"x" * 101}"', "at most 100 characters"),
        ('name = "code2"', 'name = "lead_source"', "two properties have the name 'lead_source'"),
        ('name = "code2"\n', "", "property 2: name must be a text"),
        ('label = "Code"', 'label = "Lead source"', "two properties have the label 'Lead source'"),
        ('label = "Code"', "label = 7", "label must be a text"),
        ('type = "string"', 'type = "text"', "type 'text' is not one of string, number"),
        ('field_type = "textarea"', 'field_type = "area"', "field_type 'area' is not one of"),
        ("unique = true", "uniqe = true", "unknown key 'uniqe'"),
        ("unique = true", 'unique = "yes"', "unique must be true or false"),
        ('options = ["web", {', 'options = ["web", "web", {', "the option 'web' occurs twice"),
        ('options = ["web", {', "options = [7, {", "options must be a list of values"),
        ('object_type = "companies"', "object_type = 7", "object_type must be a text"),
        ("[[property]]", "[[properties]]", "unknown key 'properties'"),
        ("description", "= ", "not valid TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(before, after, problem):
    assert before in GOOD
    with pytest.raises(SettingsError) as error:
        parse_definitions(GOOD.replace(before, after))
    assert problem in str(error.value)


def test_all_mistakes_are_named_at_once():
    text = GOOD.replace('"code2"', '"2"').replace('"enumeration"', '"enum"')
    with pytest.raises(SettingsError, match=r"2 problems: .*type 'enum'.*a name has"):
        parse_definitions(text)


@pytest.mark.parametrize("text", ["", "# [[property]]\n", "property = 7\n", "[property]\nname = 'a'\n"])
def test_a_file_without_definitions_is_refused(text):
    with pytest.raises(SettingsError, match=r"\[\[property\]\]"):
        parse_definitions(text)


def test_an_enumeration_without_options_is_refused():
    with pytest.raises(SettingsError, match="an enumeration needs options"):
        parse_definitions(GOOD.replace('options = ["web", { value = "fair", label = "Trade fair" }]', ""))
