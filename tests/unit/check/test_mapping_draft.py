"""A mapping is drafted from header and samples: what is right without a word, and what it gets wrong."""

import tomllib

import pytest
from hypothesis import given, strategies as st

from support.source_files import EXPORTS, OTHER_EXPORTS, export, other_export, system_of
from uploader.check.mapping_draft import draft
from uploader.hubspot.schema import Option, Schema
from uploader.mockserver.account.default_properties import PIPELINES, properties_of
from uploader.mockserver.account.object_types import CONTACTS, find_kind
from uploader.mockserver.account.properties import Catalogue
from uploader.records.mapping_file import parse_mapping

SCHEMA = Schema.decode({"results": Catalogue(properties_of(CONTACTS)).definitions("non_sensitive")})


def test_the_record_id_of_an_export_is_the_key_of_a_job_by_id_alone():
    header = ["Record ID", "First Name", "Create Date"]
    drafts = [
        draft(header, SCHEMA, [["51", "Ann", ""]], key=key).columns for key in ("email", "hs_object_id")
    ]
    assert (drafts[0][0].property, drafts[0][0].ignore) == ("", True)
    assert [(one.property, one.ignore, one.is_sure) for one in drafts[1]] == [
        *(("hs_object_id", False, True), ("firstname", False, True), ("", True, True)),
    ]


def drafted_of(name):
    cells = export(name)
    header, texts, wanted = zip(*cells, strict=True)
    return draft(header, SCHEMA, [texts]), dict(zip(header, wanted, strict=True))


def word(one):
    return "?" if not one.is_sure else "-" if one.ignore else one.property


@pytest.mark.parametrize("system", EXPORTS)
def test_the_columns_of_known_exports_are_drafted(system):
    found, wanted = drafted_of(system)
    assert found.system == system_of(system)
    assert {one.column: word(one) for one in found.columns} == wanted


def test_labels_of_the_account_in_any_spelling_go_before_the_tables():
    labels = {
        "email": "Email",
        "team": "HubSpot Team",
        "a": "Original source",
        "b": "ORIGINAL SOURCE",
        "hs_object_id": "Record ID",
        "source": "lead source",
        "title": "Rank",
    }
    schema = Schema(labels=labels, read_only=frozenset({"hs_object_id"}))

    def words(*header):
        return [word(one) for one in draft(["Email", *header], schema, []).columns[1:]]

    hubspot = ("Associated Company IDs", "HubSpot team", "Original Source", "Record Id")
    assert words(*hubspot) == ["-", "team", "-", "-"]
    zoho = ("Contact Owner.id", "Created Time", "Mailing Zip", "Lead Source", "Record Id", "Title")
    assert words(*zoho)[3:] == ["source", "?", "?"]


@pytest.mark.parametrize("system", EXPORTS)
def test_the_text_is_a_mapping_file_of_what_is_sure(system):
    found, _ = drafted_of(system)
    parsed = parse_mapping(found.toml())
    assert parsed.mapped == {
        one.column: one.property for one in found.columns if one.is_sure and not one.ignore
    }
    assert parsed.ignored == {one.column for one in found.columns if one.is_sure and one.ignore}


def test_opt_outs_are_flagged_and_likenesses_are_asked_for():
    found = draft(
        ["E-mail Address", "First  Name", "Frist Name", "Do not email", "zzz"],
        SCHEMA,
        [["a", "b", "", "1", ""]],
    )
    text = found.toml()
    assert '\n"E-mail Address" = "email"' in text
    assert '\n"First  Name" = "firstname"' in text
    assert '\n# "Frist Name" = "firstname"' in text
    assert "CAUTION: HubSpot keeps opt-outs" in text
    assert '\n# "zzz" = "PROPERTY"' in text


def test_an_opt_out_is_left_to_the_user_even_where_a_property_has_its_name():
    schema = Schema(labels={"email": "Email", "mine": "Email Opt Out", "hs_marketable_status": "M"})
    header = ["email", "Email Opt Out", "UNSUB_TIME", "hs_marketable_status"]
    text = draft(header, schema, []).toml()
    assert '\n# "Email Opt Out" = { suppress = true }' in text
    assert '\n# "UNSUB_TIME" = { suppress = ["*"] }' in text
    assert '\n"hs_marketable_status" = { ignore = true }' in text
    lines = [line for line in text.splitlines() if not line.startswith("# ") or "suppress" in line]
    parsed = parse_mapping("\n".join(line.removeprefix("# ") for line in lines if "CAUTION" not in line))
    assert parsed.suppress_where == {"Email Opt Out": (), "UNSUB_TIME": ("*",)}


def test_two_columns_of_one_property_and_dates_of_two_orders_are_pointed_at():
    found = draft(["email", "E-mail", "Renewal date"], SCHEMA, [["a@x.com", "b@x.com", "03/02/2025"]])
    second, dates = found.columns[1:]
    assert not second.is_sure
    assert "same property" in second.warnings[0]
    assert "date_order" in dates.warnings[0]


def test_dates_of_which_one_tells_the_order_of_all_are_not_asked_about():
    rows = [["a@x.com", "03/02/2025"], ["b@x.com", "01/14/2025"], ["c@x.com", ""]]
    (_, dates) = draft(["email", "Renewal date"], SCHEMA, rows).columns
    assert dates.warnings == ()


def test_numbers_in_a_date_column_are_pointed_at_with_their_dates():
    (_, dates) = draft(["email", "Renewal date"], SCHEMA, [["a@x.com", "45657"]]).columns
    assert "45657 is a number: 2024-12-31 (SERIAL) or 2095-01-02 (DAYS)?" in dates.warnings[0]


def test_names_of_no_system_in_particular_are_known():
    found = draft(["Mailing City", "Lifecycle", "Owner.Email"], SCHEMA, [["Ulm", "Lead", "ann@x.com"]])
    assert [(one.property, one.is_sure) for one in found.columns] == [
        ("city", True),
        ("lifecyclestage", False),
        ("hubspot_owner_id", True),
    ]


def test_dates_that_would_be_texts_and_times_without_zones_are_pointed_at():
    rows = [["31.12.2024", "2024-12-31 10:00", "12"], ["2025-01-01", "", "13"]]
    found = draft(["City", "Last seen", "State"], SCHEMA, rows)
    dates, times, numbers = found.columns
    assert "these are dates, and the property is a text" in dates.warnings[0]
    assert "timezone" in times.warnings[0]
    assert numbers.warnings == ()


def test_every_column_that_is_not_decided_can_be_ignored_by_taking_away_a_mark():
    found = draft(["email", "Frist Name", "zzz", "Do not email"], SCHEMA, [["a@x.com", "", "", ""]])
    undecided = {one.column for one in found.columns if not one.is_sure}
    assert undecided == {"Frist Name", "zzz", "Do not email"}
    lines = found.toml().splitlines()
    chosen = [line.removeprefix("# ") if "ignore = true" in line else line for line in lines]
    assert parse_mapping("\n".join(chosen)).ignored == undecided


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5, unique=True), st.text(max_size=50))
def test_any_header_is_drafted_as_a_file_that_parses(header, cell):
    for schema in (SCHEMA, None):
        text = draft(header, schema, [[cell] * len(header)]).toml()
        tomllib.loads(text)


def test_ids_of_other_records_are_proposed_as_links_and_left_out_until_the_user_decides():
    header = ["Contact ID", "Account ID", "Account Name", "Mailing Street", "Email"]
    row = ["0031", "0011", "Acme", "Main St 1", "a@x.com"]
    text = draft(header, SCHEMA, [row]).toml()
    lines = text.splitlines()
    at = lines.index('"Account ID" = { ignore = true }')
    link = '{ associate = "companies", by = "salesforce_account_id" }'
    assert lines[at + 1] == f'# "Account ID" = {link}  # instead: links'
    assert "that system's ids of companies, which HubSpot keeps as links" in lines[at - 1]
    assert parse_mapping(text).associations == []
    lines[at : at + 2] = [lines[at + 1].removeprefix("# ").replace("salesforce_account_id", "sf_id")]
    (one,) = parse_mapping("\n".join(lines)).associations
    assert (one.column, one.object_type, one.by) == ("Account ID", "companies", "sf_id")


def test_links_of_an_export_of_hubspot_are_by_its_own_ids():
    header = ["Record ID", "First Name", "Associated Company IDs", "Associated Deal IDs"]
    text = draft(header, SCHEMA, [["51", "Ann", "7;8", ""]]).toml()
    line = '# "Associated Company IDs" = { associate = "companies", by = "id", separator = ";" }'
    assert f"{line}  # instead: links" in text.splitlines()
    header = ["Record ID", "Deal Name", "Deal owner", "Associated Company IDs"]
    assert line in draft(header, SCHEMA, [["51", "Big", "Ann", "7;8"]], object_type="deals").toml()


def of_type(object_type):
    properties = properties_of(find_kind(object_type), pipelines=PIPELINES)
    return Schema.decode({"results": Catalogue(properties).definitions("non_sensitive")})


@pytest.mark.parametrize("name", OTHER_EXPORTS)
def test_the_columns_of_exports_of_companies_and_deals_are_drafted(name):
    cells = other_export(name)
    header, texts, wanted = zip(*cells, strict=True)
    object_type = OTHER_EXPORTS[name]
    found = draft(header, of_type(object_type), [texts], object_type=object_type, key="their_id")
    assert found.system == system_of(name)
    proposed = [one.links or ("" if one.is_sure else one.property) for one in found.columns]
    as_drafted = [
        f"{name}?" if name else word(one) for one, name in zip(found.columns, proposed, strict=True)
    ]
    assert dict(zip(header, as_drafted, strict=True)) == dict(zip(header, wanted, strict=True))
    links = parse_mapping(with_links(found.toml())).associations  # the proposals can be taken as they are
    assert [one.column for one in links] == [one.column for one in found.columns if one.links]


def with_links(text):
    """The draft in which every column of other records is a link to them."""
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if line.endswith("# instead: links"):
            lines[at - 1 : at + 1] = ["", line.removeprefix("# ")]
    return "\n".join(lines)


def test_ids_of_a_system_are_the_key_that_is_made_for_them():
    """Where nobody has created it yet, too: so that nothing is left to be decided once it is created."""
    header, rows = ["Account ID", "Account Name", "Billing State/Province"], [["0011", "Acme", "BW"]]
    made = draft(header, of_type("companies"), rows, key="salesforce_account_id", object_type="companies")
    (one, *_) = made.columns
    assert (one.property, one.is_sure) == ("salesforce_account_id", True)
    assert "create it, with unique = true" in one.warnings[0]
    (one, *_) = draft(header, of_type("companies"), rows, key="sf_key", object_type="companies").columns
    assert (one.property, one.is_sure, one.warnings[0][:35]) == (
        *("sf_key", False),
        "this account has no property sf_key",
    )
    (one, *_) = draft(header, of_type("companies"), rows, key="domain", object_type="companies").columns
    assert (one.property, one.is_sure) == ("", False)


@pytest.mark.parametrize(
    ("unique", "proposed", "words"),
    [
        ({"badge"}, "badge", "such as badge"),
        ({"badge", "code"}, "", "such as badge, code"),
        ({"email"}, "", "create one with unique = true"),
        ({"score"}, "", "create one with unique = true"),
    ],
)
def test_ids_that_do_not_repeat_go_into_a_property_with_unique_values(unique, proposed, words):
    labels = {name: name for name in ("email", "badge", "code", "score")}
    schema = Schema(labels=labels, unique=frozenset(unique), read_only=frozenset({"score"}))
    found = draft(["Email", "Contact ID", "Owner ID"], schema, [["a@x.com", "1", "7"], ["b@x.com", "2", "7"]])
    one, other = found.columns[1:]
    assert (one.property, one.is_sure, other.is_id) == (proposed, False, False)
    assert words in one.warnings[0]


def test_a_property_whose_name_ends_alike_is_proposed_if_values_are_its_options():
    tiers = (Option("Gold", "gold"), Option("Silver", "silver"))
    labels = {"email": "Email", "tier": "Tier", "phone": "Phone", "visit": "Visit Type"}
    schema = Schema(labels=labels, options={"tier": tiers, "visit": (Option("Visit", "visit"),)})
    header, row = ["Email", "Customer Tier", "Assistant Phone", "Type"], ["a@x.com", "GOLD", "555", "new"]
    _, tier, phone, kind = draft(header, schema, [row, ["b@x.com", "Platinum", "", ""]]).columns
    assert (tier.property, tier.is_sure) == ("tier", False)
    assert tier.why.startswith("a similar name, with GOLD among its 2 options")
    assert (phone.property, kind.property) == ("", "")
    (_, other, *_) = draft(header, schema, [["a@x.com", "Basic", "", ""]]).columns
    assert other.property == ""


def test_all_three_choices_for_opt_outs_stand_at_their_column():
    text = draft(["email", "Email Opt Out"], SCHEMA, [["a@x.com", "1"]]).toml()
    at = text.splitlines().index('# "Email Opt Out" = { suppress = true }')
    ignored, listed = text.splitlines()[at + 1 : at + 3]
    assert ignored == '# "Email Opt Out" = { ignore = true }'
    assert listed.startswith('# "Email Opt Out": neither line, and opt_outs = "list" above [columns]')
