"""How a row becomes an input, and what makes it invalid."""

import orjson
import pytest
from hypothesis import given, strategies as st

from support.builders import row
from uploader.hubspot.requests import encode_batch
from uploader.hubspot.schema import Schema
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, Unsent
from uploader.model.rows import UNREADABLE, Unreadable
from uploader.records.columns import Columns, MappingError, Rules, refuse_unknown, resolve_columns
from uploader.records.mapper import Mapper
from uploader.records.values.email import plausible_email

SCHEMA = Schema(
    labels={
        "email": "Email",
        "firstname": "First Name",
        "lastname": "Last Name",
        "phone": "Phone Number",
        "mobilephone": "Phone Number",
        "external_id": "External ID",
        "member_no": "Member Number",
        "hs_score": "Score",
    },
    read_only=frozenset({"hs_score"}),
    unique=frozenset({"external_id", "member_no"}),
)


def cells(header, values, *, rules=None, schema=SCHEMA):
    rules = rules or Rules()
    mapper = Mapper(0, rules, schema, resolve_columns(header, rules, schema))
    return mapper.map(5, [row(values)])[0]


def fields(content, *, rules=None, schema=SCHEMA):
    return Mapper(0, rules or Rules(), schema, None).map(5, [row(content)])[0]


def sent(mapped):
    assert isinstance(mapped, Record), mapped
    (one,) = orjson.loads(encode_batch([mapped]))["inputs"]
    return one


def why(mapped):
    assert isinstance(mapped, Unsent), mapped
    assert mapped.outcome is Outcome.INVALID
    return mapped.reason


# --- columns ---


def test_a_column_is_mapped_by_exact_name_exact_label_or_option():
    rules = Rules(mapped={"Mobile": "mobilephone"})
    columns = resolve_columns(["Email", "firstname", "Mobile", "Last Name"], rules, SCHEMA)
    assert columns.names == {0: "email", 1: "firstname", 2: "mobilephone", 3: "lastname"}


@pytest.mark.parametrize(
    ("column", "proposed"),
    [
        ("FIRSTNAME", "firstname"),
        ("first name", "firstname"),
        ("First  Name", "firstname"),
        ("First Name ", "firstname"),
        ("Firstname", "firstname"),
        ("vorname", "firstname"),
        ("Vorname", "firstname"),
        ("hs scores", "PROPERTY"),  # what nobody can write is not proposed
        ("Quux", "PROPERTY"),
    ],
)
def test_a_likeness_is_asked_for_and_never_acted_on(column, proposed):
    with pytest.raises(MappingError, match=f'--map "{column}={proposed}"'):
        resolve_columns(["email", column], Rules(), SCHEMA)


def test_without_a_schema_column_names_are_used_as_they_are():
    assert resolve_columns(["email", "Whatever"], Rules(), None).names == {0: "email", 1: "Whatever"}


def test_a_label_of_two_properties_is_asked_for():
    with pytest.raises(MappingError, match="mobilephone and phone"):
        resolve_columns(["email", "Phone Number"], Rules(), SCHEMA)


def test_a_name_goes_before_a_label():
    schema = Schema(labels={"email": "", "phone": "x", "other": "phone"})
    assert resolve_columns(["email", "phone"], Rules(), schema).names[1] == "phone"


@pytest.mark.parametrize(
    "header", [["email", "Email"], ["email", "firstname", "First Name"], ["email", "phone", "phone"]]
)
def test_two_columns_of_one_property_are_refused_and_named(header):
    with pytest.raises(MappingError, match="are both mapped to") as caught:
        resolve_columns(header, Rules(), SCHEMA)
    assert repr(header[-1]) in str(caught.value)


def test_an_explicit_mapping_can_clash_and_an_ignored_column_cannot():
    with pytest.raises(MappingError, match="are both mapped to"):
        resolve_columns(["email", "A", "phone"], Rules(mapped={"A": "phone"}), SCHEMA)
    columns = resolve_columns(["email", "Email"], Rules(ignored=frozenset({"Email"})), SCHEMA)
    assert columns.names == {0: "email"}


def test_a_mapping_to_no_property_is_refused():
    with pytest.raises(
        MappingError, match=r"'A' cannot be mapped to 'phon': .* no property .*; did you mean phone\?"
    ):
        resolve_columns(["email", "A"], Rules(mapped={"A": "phon"}), SCHEMA)


def test_a_mapping_takes_a_label_that_is_of_one_property():
    columns = resolve_columns(["email", "A"], Rules(mapped={"A": "Member Number"}), SCHEMA)
    assert columns.names == {0: "email", 1: "member_no"}
    assert sent(fields({"email": "a@x.com", "A": "7"}, rules=Rules(mapped={"A": "Member Number"})))[
        "properties"
    ] == {"member_no": "7"}
    with pytest.raises(MappingError, match="label of mobilephone and phone"):
        resolve_columns(["email", "A"], Rules(mapped={"A": "Phone Number"}), SCHEMA)


def test_a_read_only_column_is_refused_before_the_first_row():
    with pytest.raises(MappingError, match="read-only"):
        resolve_columns(["email", "Score"], Rules(), SCHEMA)


def test_without_the_id_property_no_column_makes_a_job():
    with pytest.raises(MappingError, match="'email'"):
        resolve_columns(["firstname"], Rules(), SCHEMA)


def test_options_for_missing_columns_are_refused():
    refuse_unknown(Rules(mapped={"A": "phone"}, ignored=frozenset({"B"})), ["A", "B"])
    for rules in (Rules(mapped={"C": "phone"}), Rules(ignored=frozenset({"C"}))):
        with pytest.raises(MappingError, match="'C'"):
            refuse_unknown(rules, ["A", "B"])


def test_own_columns_of_a_failures_file_are_no_properties():
    columns = resolve_columns(
        ["email", "uploader_row", "uploader_superseded", "uploader_raw"], Rules(), SCHEMA
    )
    assert columns == Columns({0: "email"}, (), superseded=2)


def test_a_column_without_a_name_may_hold_nothing():
    header = ["email", "column 2"]
    assert isinstance(cells(header, ["a@x.com", " "]), Record)
    assert "column 2" in why(cells(header, ["a@x.com", "what?"]))
    ignoring = Rules(ignored=frozenset({"column 2"}))
    assert isinstance(cells(header, ["a@x.com", "what?"], rules=ignoring), Record)


# --- cells ---


def test_blanks_are_left_out_and_the_key_is_not_repeated():
    mapped = cells(["email", "firstname", "phone", "lastname"], [" Ann@X.com ", "Ann", " \t ", ""])
    assert sent(mapped) == {
        "idProperty": "email",
        "id": "Ann@X.com",
        "objectWriteTraceId": "5",
        "properties": {"firstname": "Ann"},
    }
    assert (mapped.position, mapped.row, mapped.raw, mapped.key) == (5, 2, b"raw", "Ann@X.com")
    assert mapped.lock_keys == ("email=ann@x.com",)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=6), min_size=4, max_size=4))
def test_whatever_the_cells_hold_a_row_is_one_input_or_one_reason(values):
    mapped = cells(["email", "firstname", "column 3", "external_id"], values)
    if isinstance(mapped, Unsent):
        assert (mapped.outcome, mapped.raw, mapped.position) == (Outcome.INVALID, b"raw", 5)
        assert mapped.reason
        return
    properties = sent(mapped)["properties"]
    assert "email" not in properties
    expected = {"firstname": values[1].strip(), "external_id": values[3].strip()}
    assert properties == {name: text for name, text in expected.items() if text}
    assert len(mapped.lock_keys) == len(set(mapped.lock_keys)) == 1 + ("external_id" in properties)


def test_a_row_locks_its_key_first_and_each_of_its_other_unique_values():
    header = ["external_id", "email", "member_no", "firstname"]
    mapped = cells(header, ["X-1", "Ann@X.com", "", "Ann"], rules=Rules(id_property="external_id"))
    assert mapped.lock_keys[0] == "external_id=x-1"
    assert sorted(mapped.lock_keys) == ["email=ann@x.com", "external_id=x-1"]
    assert sent(mapped)["properties"] == {"email": "Ann@X.com", "firstname": "Ann"}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["", "Ann"], "no email"),
        (["ann.x.com", "Ann"], "is not an e-mail address"),
        (["a b@x.com", "Ann"], "is not an e-mail address"),
        (["a@x.com", "half \ud800"], "half of a surrogate pair"),
    ],
)
def test_a_row_that_cannot_become_an_input_is_invalid_and_says_why(values, reason):
    assert reason in why(cells(["email", "firstname"], values))


def test_an_address_that_is_no_key_is_looked_at_too():
    rules = Rules(id_property="external_id")
    assert "e-mail" in why(cells(["external_id", "email"], ["7", "nonsense"], rules=rules))
    assert isinstance(cells(["external_id", "email"], ["7", ""], rules=rules), Record)


def test_an_unreadable_row_keeps_its_reason_and_its_bytes():
    mapped = fields(Unreadable("a quote is never closed"))
    assert why(mapped) == "a quote is never closed"
    assert (mapped.raw, mapped.key, mapped.lock_keys) == (b"raw", "", ())
    assert mapped.category == UNREADABLE


def test_an_invalid_row_keeps_the_value_a_later_row_may_write():
    assert cells(["email", "column 2"], ["Ann@X.com", "?"]).lock_keys == ("email=ann@x.com",)


@pytest.mark.parametrize("later", ["12", " 12 "])
def test_a_superseded_row_is_skipped_unless_it_is_asked_for(later):
    header = ["email", "uploader_superseded"]
    mapped = cells(header, ["a@x.com", later])
    assert mapped.outcome is Outcome.SKIPPED
    assert "row 12" in mapped.reason
    assert mapped.category == "SUPERSEDED"
    assert isinstance(cells(header, ["a@x.com", later], rules=Rules(include_superseded=True)), Record)
    assert isinstance(cells(header, ["a@x.com", " "]), Record)
    content = {"email": "a@x.com", "uploader_superseded": later}
    assert fields(content).outcome is Outcome.SKIPPED
    assert isinstance(fields(content, rules=Rules(include_superseded=True)), Record)


# --- fields ---


def test_fields_are_spelled_as_hubspot_spells_them():
    content = {
        "email": "a@x.com",
        "firstname": " Ann ",
        "lastname": None,
        "Phone": "",
        "phone": "0049",
        "member_no": "1.10",
    }
    content.pop("Phone")
    assert sent(fields(content))["properties"] == {"firstname": "Ann", "phone": "0049", "member_no": "1.10"}


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false"), (17, "17"), (1.5, "1.5")])
def test_booleans_and_numbers_have_one_spelling(value, text):
    assert sent(fields({"email": "a@x.com", "phone": value}))["properties"] == {"phone": text}


@pytest.mark.parametrize("value", [None, "", "  "])
def test_null_and_blank_are_left_out_and_need_no_property(value):
    assert sent(fields({"email": "a@x.com", "nobody knows": value}))["properties"] == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"email": "a@x.com", "phone": [["1"]]}, "an object or a list of lists"),
        ({"email": "a@x.com", "phone": {"a": 1}}, "an object or a list of lists"),
        ({"email": "a@x.com", "phone": ["1;2"]}, "holds a list with a `;` in a value"),
        ({"email": "a@x.com", "shoe": "44"}, "'shoe'"),
        ({"email": "a@x.com", "hs_score": "4"}, "read-only"),
        ({"email": "a@x.com", "Email": "a@x.com"}, "mapped to the property 'email'"),
        ({"email": "a@x.com", "Phone Number": "1"}, "'Phone Number'"),
        ({"firstname": "Ann"}, "no email"),
        ({}, "no email"),
    ],
)
def test_a_field_that_fits_no_property_makes_only_its_row_invalid(content, reason):
    assert reason in why(fields(content))


def test_labels_mapped_and_ignored_fields_act_as_columns_do():
    rules = Rules(mapped={"Mobile": "mobilephone"}, ignored=frozenset({"note"}))
    content = {"Email": "a@x.com", "Mobile": "1", "note": ["x"], "uploader_row": "7"}
    assert sent(fields(content, rules=rules))["properties"] == {"mobilephone": "1"}


@pytest.mark.parametrize("bad", [{"tags": ["x"]}, {"shoe": "44"}, {"hs_score": "1"}])
def test_an_invalid_row_knows_its_key_wherever_the_bad_field_stands(bad):
    """Else a later row that writes the key does not supersede it, and its retry overwrites that row."""
    assert fields({"email": "Ann@X.com", **bad}).lock_keys == ("email=ann@x.com",)
    assert fields({**bad, "email": "Ann@X.com"}).lock_keys == ("email=ann@x.com",)


# --- the API's own form of an input ---


def test_the_apis_own_form_is_taken_as_it_is():
    content = {
        "id": "X-1",
        "idProperty": "external_id",
        "objectWriteTraceId": "theirs",
        "properties": {"phone": 17, "firstname": None, "external_id": "x-1"},
        "uploader_row": "3",
    }
    mapped = fields(content)
    assert sent(mapped) == {
        "idProperty": "external_id",
        "id": "X-1",
        "objectWriteTraceId": "5",
        "properties": {"phone": "17"},
    }
    assert mapped.lock_keys == ("external_id=x-1",)


@pytest.mark.parametrize("key", ["", None, "email"])
def test_without_an_id_property_of_its_own_an_input_has_the_jobs(key):
    mapped = fields({"id": "a@x.com", "idProperty": key, "properties": {}})
    assert (mapped.id_property, mapped.key) == ("email", "a@x.com")


def test_a_numeric_id_is_sent_as_text():
    assert sent(fields({"id": 17, "idProperty": "external_id", "properties": {}}))["id"] == "17"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"id": "a@x.com", "properties": {"email": "b@x.com"}}, "differs from its id"),
        ({"id": "a@x.com", "properties": {"Email": "b@x.com"}}, "differs from its id"),
        ({"properties": {"email": "b@x.com"}}, "differs from its id"),
        ({"properties": {"phone": "1"}}, "no email"),
        ({"id": {"a": "a@x.com"}, "properties": {}}, "not a text"),
        ({"id": "1", "idProperty": 7, "properties": {}}, "not a text"),
        ({"id": "a@x.com", "properties": {}, "associations": []}, "'associations'"),
        ({"id": "a@x.com", "properties": {}, "email": "b@x.com"}, "'email'"),
        ({"id": "a@x.com", "properties": {"phone": {"a": "1"}}}, "an object or a list of lists"),
    ],
)
def test_an_input_that_would_not_do_what_it_says_is_invalid(content, reason):
    assert reason in why(fields(content))


def test_an_invalid_input_keeps_the_value_of_its_own_id_property():
    """Else a later row that writes the key does not supersede it, and its retry overwrites that row."""
    content = {"id": "X-1", "idProperty": "external_id", "properties": {"phone": [["1"]]}}
    assert fields(content).lock_keys == ("external_id=x-1",)
    implausible = {"id": "X-1", "idProperty": "external_id", "properties": {"email": "nonsense"}}
    assert fields(implausible).lock_keys == ("external_id=x-1",)


@pytest.mark.parametrize("id_property", ["firstname", "hs_object_id", "nobody_knows"])
def test_an_id_property_of_a_lone_row_that_is_not_unique_is_that_rows_own_fault(id_property):
    """Sent, HubSpot's "non-unique" would stop the whole run, and each time again (a systemic fault)."""
    why(fields({"id": "1", "idProperty": id_property, "properties": {}}))


# --- by HubSpot's own id ---

BY_ID = Rules(id_property="hs_object_id")


@pytest.mark.parametrize("column", ["Record ID", "hs_object_id"])
@pytest.mark.parametrize("schema", [SCHEMA, None], ids=["labels known", "labels unknown"])
def test_hubspots_own_id_is_the_key_and_no_property(column, schema):
    mapped = cells([column, "email"], ["0051", "a@x.com"], rules=BY_ID, schema=schema)
    assert (mapped.id_property, mapped.key) == ("hs_object_id", "51")
    assert mapped.lock_keys == ("hs_object_id=51", "email=a@x.com")
    assert sent(mapped)["properties"] == {"email": "a@x.com"}
    assert fields({column: 51, "email": "a@x.com"}, rules=BY_ID, schema=schema).lock_keys == mapped.lock_keys


@pytest.mark.parametrize("text", ["a@x.com", "51.0", "1,234", "-5", "\u0665\u0661", "5 1"])
def test_a_text_that_is_no_number_is_no_id_of_hubspots(text):
    assert "is no id of a record" in why(cells(["Record ID", "phone"], [text, "1"], rules=BY_ID))


def test_a_column_that_is_only_called_id_is_proposed_and_not_used():
    with pytest.raises(MappingError, match='--map "Id=hs_object_id"'):
        resolve_columns(["Id", "email"], BY_ID, SCHEMA)
    mapped = Rules(id_property="hs_object_id", mapped={"Id": "id"})
    assert resolve_columns(["Id", "email"], mapped, SCHEMA).names == {0: "hs_object_id", 1: "email"}


def test_other_read_only_columns_of_an_export_are_refused_as_ever():
    with pytest.raises(MappingError, match='--ignore "Create Date"'):
        resolve_columns(["Record ID", "Create Date"], BY_ID, SCHEMA)
    schema = Schema({"email": "Email", "hs_object_id": "Record ID"}, read_only=frozenset(["hs_object_id"]))
    with pytest.raises(MappingError, match="or update records by it with --id-property id"):
        resolve_columns(["Record ID", "email"], Rules(), schema)
    assert resolve_columns(["Record ID"], BY_ID, schema).names == {0: "hs_object_id"}


def test_an_input_by_another_id_property_is_invalid_where_records_are_updated_by_id():
    """It could create a record."""
    content = {"id": "a@x.com", "idProperty": "email", "properties": {"city": "Ulm"}}
    assert "updated by HubSpot's id" in why(fields(content, rules=BY_ID))
    content = {"id": 51, "properties": {"hs_object_id": "51", "city": "Ulm"}}
    assert fields(content, rules=BY_ID).lock_keys == ("hs_object_id=51",)


def test_a_row_locks_the_jobs_id_property_even_if_the_schema_lacks_it():
    """Without a schema, a row keyed by another property may still write the value other rows are keyed by."""
    rules = Rules(id_property="external_id")
    content = {"id": "a@x.com", "idProperty": "email", "properties": {"external_id": "X-1"}}
    assert "external_id=x-1" in fields(content, rules=rules, schema=None).lock_keys


_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("a@x.com")
_NAMES = st.sampled_from(
    [
        "email",
        "Email",
        "phone",
        "id",
        "idProperty",
        "properties",
        "uploader_superseded",
        "shoe",
        "external_id",
    ]
)


@given(
    st.dictionaries(
        _NAMES,
        _VALUES | st.lists(_VALUES, max_size=2) | st.dictionaries(_NAMES, _VALUES, max_size=4),
        max_size=5,
    ),
    st.sampled_from([SCHEMA, None]),
)
def test_whatever_the_fields_hold_a_row_is_one_input_or_one_reason(content, schema):
    mapped = fields(content, schema=schema)
    assert mapped.position == 5
    if isinstance(mapped, Unsent):
        assert mapped.reason
        return
    body = sent(mapped)
    assert body["id"] == mapped.key != ""
    assert body["idProperty"] == mapped.id_property not in body["properties"]
    assert all(isinstance(text, str) and text.strip() == text != "" for text in body["properties"].values())
    assert len(mapped.lock_keys) == len(set(mapped.lock_keys))
    if "email" in body["properties"]:
        assert f"email={body['properties']['email'].lower()}" in mapped.lock_keys


# --- addresses ---


@pytest.mark.parametrize(
    "address",
    ["a@x.com", "a+b@x.co.uk", "ünï@exämple.com", "o'neil@x.com", "a.b-c_d@x-y.com", "a" * 248 + "@x.com"],
)
def test_what_may_be_an_address_is_for_hubspot_to_judge(address):
    assert plausible_email(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "a",
        "a@",
        "@x.com",
        "a@x",
        "a@x.",
        "a@.com",
        "a@x..com",
        "a@b@x.com",
        "a b@x.com",
        "a@x.com;b@x.com",
        "a@x.com, b@x.com",
        "Ann <a@x.com>",
        "a@x.com\u00a0",
        "a" * 249 + "@x.com",
    ],
)
def test_plain_nonsense_is_not_worth_a_request(address):
    assert not plausible_email(address)


# --- what HubSpot says of its properties ---


def test_a_schema_is_read_off_the_answer_and_passes_over_what_makes_no_sense():
    entries = [
        {"name": "email", "label": "Email", "hasUniqueValue": False},
        {"name": "ext", "label": "Ext", "hasUniqueValue": True},
        {"name": "score", "label": "Score", "calculated": True},
        {"name": "locked", "modificationMetadata": {"readOnlyValue": True}},
        {"name": "open", "label": None, "modificationMetadata": {"readOnlyValue": False}},
        {"label": "nameless"},
        "junk",
        None,
    ]
    schema = Schema.decode({"results": entries})
    assert schema.labels == {"email": "Email", "ext": "Ext", "score": "Score", "locked": "", "open": ""}
    assert schema.read_only == {"score", "locked"}
    assert schema.unique == {"ext"}


@given(
    st.recursive(
        st.none() | st.text(max_size=3) | st.booleans(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["results", "name", "label"]), inner),
    )
)
def test_reading_a_schema_raises_nothing(value):
    assert isinstance(Schema.decode({"results": value}), Schema)


def test_an_email_is_unique_whatever_the_api_says():
    schema = Schema(labels={"email": "", "ext": ""}, unique=frozenset({"ext"}))
    mapped = cells(["ext", "email"], ["1", "a@x.com"], rules=Rules(id_property="ext"), schema=schema)
    assert "email=a@x.com" in mapped.lock_keys
