"""Whoever is on a list is skipped, however a row and the list spell the address; nobody else is."""

import hashlib

import pytest
from hypothesis import given, strategies as st

from support.builders import row
from uploader.hubspot.requests import sent_properties
from uploader.hubspot.schema import Schema
from uploader.model.column_names import quoted
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, Unsent
from uploader.records.columns import MappingError, Rules, resolve_columns
from uploader.records.known_headers import carries_opt_out
from uploader.records.mapper import Mapper
from uploader.records.suppressed_rows import SUPPRESSED
from uploader.records.suppression_list import Suppression, read_entries
from uploader.records.values.convert import is_yes, lacks_consent

SCHEMA = Schema(
    labels={
        "email": "E-mail",
        "firstname": "First",
        "external_id": "Id",
        "hs_additional_emails": "Others",
        "work_email": "Work",
    },
    unique=frozenset({"external_id"}),
)
#: Few, so that rows and lists meet; with letters whose lower case is another length, or depends on its place.
_MAILBOXES = [
    "bob",
    "BOB",
    "Bob",
    "ann",
    "straße",
    "STRASSE",
    "\u0130da",
    "\u0391\u03a3",
    "\u03b1\u03c2",
    "\u03b1\u03c3",
]
ADDRESS = st.builds(
    "{}@{}".format, st.sampled_from(_MAILBOXES), st.sampled_from(["x.com", "X.com", "y.example"])
)
SPELLED = st.builds(lambda a, pad: f"{pad}{a}{pad}", ADDRESS, st.sampled_from(["", " ", "\t", "\u00a0"]))


def normal(address):
    return address.strip().lower()


def hashed(address):
    return hashlib.sha256(normal(address).encode()).hexdigest()


def forms(address):
    """Every form in which a list can name somebody."""
    digest = hashed(address)
    shown = address.strip()
    return st.sampled_from(
        [address, f"{shown},x", f'"{shown}"; "a, b"', f"{shown}\tx", digest, digest.upper()]
    )


LISTS = st.lists(ADDRESS, max_size=4).flatmap(
    lambda some: st.tuples(st.just(some), st.tuples(*map(forms, some)))
)


def mapped_in_every_form(address, listed):
    """The same person: as cells or fields, by its own key or another, left out or not."""
    rules = Rules(suppression=listed)
    other = Rules(match=("external_id",), suppression=listed)
    ignoring = Rules(match=("external_id",), ignored=frozenset({"E-mail"}), suppression=listed)
    only = Rules(match=("external_id",), only=frozenset({"Id"}), suppression=listed)
    dropping = Rules(match=("external_id",), suppression=listed, drop_bad_values=True)
    yield cells(rules, email=address, firstname="F")
    yield cells(other, external_id="7", email=address)
    yield cells(ignoring, **{"Id": "7", "E-mail": address})
    yield cells(only, **{"Id": "7", "First": "F", "E-mail": address})
    yield cells(dropping, external_id="7", email=f"zoe@x.com; {address.strip()}")
    yield cells(rules, email="zoe@x.com", hs_additional_emails=f"eve@x.com;{address.strip()}")
    yield fields(rules, {"email": address, "firstname": "F"})
    yield fields(rules, {"E-mail": address})
    yield fields(rules, {"email": "zoe@x.com", "Others": f"{address}"})
    yield fields(rules, {"id": "zoe@x.com", "properties": {"hs_additional_emails": f"eve@x.com; {address}"}})
    yield cells(rules, email="zoe@x.com", work_email=address)
    yield cells(other, external_id="7", email=f"mailto:{address.strip()}")
    yield cells(other, external_id="7", email=f"'{address.strip()}\u200b'")
    yield fields(other, {"external_id": 7, "E-mail": address})
    yield fields(ignoring, {"external_id": "7", "E-mail": address})
    yield fields(only, {"Id": "7", "E-mail": address})
    yield fields(rules, {"id": address, "properties": {"firstname": "F"}})
    yield fields(other, {"id": address, "idProperty": "email", "properties": {}})
    yield fields(rules, {"id": "7", "idProperty": "external_id", "properties": {"E-mail": address}})


def cells(rules, **texts):
    columns = resolve_columns(tuple(texts), rules, SCHEMA)
    return Mapper(0, rules, SCHEMA, columns).map(0, [row(list(texts.values()))])[0]


def fields(rules, content):
    return Mapper(0, rules, SCHEMA, None).map(0, [row(content)])[0]


@given(SPELLED, LISTS)
def test_a_row_is_suppressed_if_and_only_if_its_address_is_on_the_list(address, named):
    some, lines = named
    listed = Suppression.of(lines)
    is_listed = normal(address) in {normal(one) for one in some}
    for mapped in mapped_in_every_form(address, listed):
        is_suppressed = isinstance(mapped, Unsent) and mapped.category == SUPPRESSED
        assert is_suppressed == is_listed, mapped
        if is_listed:
            assert mapped.outcome is Outcome.SKIPPED
            assert "@" not in mapped.reason


@given(LISTS, st.randoms())
def test_a_list_is_the_same_in_any_form_and_order(named, random):
    some, lines = named
    again = [hashed(one) for one in some] * 2
    random.shuffle(again)
    assert Suppression.of(lines).fingerprint == Suppression.of(again).fingerprint
    assert len(Suppression.of(lines)) == len({normal(one) for one in some})


@given(st.sets(st.integers(0, 10**6), max_size=300), st.integers(0, 10**6))
def test_many_addresses_are_told_apart(some, one):
    listed = Suppression.of(f"c{number}@example.com" for number in some)
    assert (f"C{one}@example.com" in listed) == (one in some)
    assert all(f"c{number}@example.com" in listed for number in some)


def test_bytes_across_two_digests_match_no_address():
    first, second = b"\0\0AAAAAA\0\0BBBBBB", b"\0\0" + b"C" * 14
    listed = Suppression([second, first])
    assert listed.has(first)
    assert listed.has(second)
    assert not listed.has((first + second)[8:24])


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (["a@x.com", "nobody"], 2),
        (["Name", "a@x.com"], 1),
        (["bob@x"], 1),
        (["Email", "Email", "a@x.com"], 2),
        (["# people", "", "email", "", "a" * 63], 5),
        (["a@x.com", ",b@x.com"], 2),
        (["a@x.com b@x.com"], 1),
        (['a@x.com,"he said', 'so",x', "b@x.com"], 2),
        (["Bob <bob@x.com>"], 1),
        (["'bob@x.com'"], 1),
        (["a@x.com", "mailto:bob@x.com"], 2),
        (["bob@x.com."], 1),
    ],
)
def test_a_line_that_is_neither_is_refused_with_its_number_and_without_what_it_holds(lines, number):
    with pytest.raises(ValueError, match=f"^line {number} is neither") as caught:
        list(read_entries(lines))
    assert "@" not in str(caught.value)


def test_headings_blanks_and_comments_suppress_no_row():
    lines = ["# asked not to be mailed", "", "E-Mail;Name", "a@x.com;A", "# b@x.com", "#c@x.com", "  "]
    listed = Suppression.of(lines)
    assert [one in listed for one in ("a@x.com", "b@x.com", "c@x.com", "#c@x.com")] == [
        True,
        False,
        False,
        True,
    ]
    assert "@" not in repr(listed)


def test_invisible_characters_make_no_difference():
    """Lists that were put together have byte order marks inside."""
    listed = Suppression.of(["a@x.com", "\ufeffb@x.com", "c@x.com\u200b\u00a0"])
    assert all(f"\u200e{one}@X.com" in listed for one in "abc")


def test_a_list_needs_a_column_that_holds_addresses():
    rules = Rules(match=("external_id",), suppression=Suppression.of(["a@x.com"]))
    with pytest.raises(MappingError, match="no column is email"):
        resolve_columns(("external_id", "firstname"), rules, SCHEMA)


# --- what cells say ---


@given(st.text(max_size=8), st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=3))
def test_a_cell_says_so_by_its_values_in_any_case(text, values):
    values = tuple(value for value in values if value.strip()) or ("yes",)
    word = text.strip().casefold()
    wanted = bool(word) and ("*" in values or word in {value.strip().casefold() for value in values})
    assert is_yes(text, values) is wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [("true", True), ("Ja", True), (" 1", True), ("0", False), ("", False), ("nein", False), ("2", None)],
)
def test_without_values_a_usual_yes_counts_and_nothing_is_guessed(text, says):
    assert is_yes(text, ()) is says


def test_a_row_that_says_so_is_skipped_and_one_that_nobody_understands_is_not_sent():
    rules = Rules(suppress_where={"Opted Out": ()})
    results = [
        cells(rules, **{"email": "a@x.com", "Opted Out": text}) for text in ("yes", "no", "", "perhaps")
    ]
    assert [getattr(one, "outcome", None) for one in results] == [
        Outcome.SKIPPED,
        None,
        None,
        Outcome.INVALID,
    ]
    assert isinstance(results[1], Record)
    assert sent_properties(results[1]) == {}
    content = {"id": "a@x.com", "Opted Out": True, "properties": {"firstname": "F"}}
    assert fields(rules, content).outcome is Outcome.SKIPPED
    assert isinstance(fields(rules, {**content, "Opted Out": False}), Record)
    nested = {"id": "a@x.com", "properties": {"Opted Out": 1}}
    assert fields(rules, nested).outcome is Outcome.SKIPPED


def test_a_column_that_is_a_property_is_sent_all_the_same_for_the_others():
    rules = Rules(suppress_where={"firstname": ("Nobody",)})
    assert cells(rules, email="a@x.com", firstname="nobody").outcome is Outcome.SKIPPED
    assert sent_properties(cells(rules, email="a@x.com", firstname="Ann")) == {"firstname": "Ann"}


# --- columns that tell ---

TELLING = """
HasOptedOutOfEmail|Email Opt Out|hs_email_optout|hs_email_optout_1234|Unsubscribed from all email|Werbesperre
Opted out of email: News|UNSUB_TIME|CLEAN_TIME|Cleaned|Marketing status|Person - Marketing status|Unsubscribed
Email Bounced|EmailBouncedReason|IsEmailBounced|hs_email_bounce|GDPR|DNC|dnc_flag|EMAIL_BLACKLISTED
Do not allow Bulk Emails|hs_legal_basis|Email Suppressions|Unsubscribed Mode|Marketing emails bounced
Consent withdrawn
"""
CONSENT = """
Accepts Email Marketing|OPT_IN|is_subscribed|Email Consent|GDPR consent|Subscribed|Newsletter|Marketing Opt-In
emailOptIn|Double Opt In|Einwilligung E-Mail|Werbeerlaubnis|Ok to email|consent_given
Opted in to email and SMS
"""
SILENT = """
DoNotCall|Do Not Call|HasOptedOutOfFax|SMS opt-in|phone_opt_out|Consent date|consent_ip|OPTIN_IP|CONFIRM_TIME
email|firstname|Company|Second Name|lifecyclestage|notes|OPTIN_TIME|hs_email_domain|Casino email|Object id
Trade no|bounty|website|unit|contact|Member since|Laptop outlet number|uploader_outcome|Last email sent
"""


@pytest.mark.parametrize("column", TELLING.replace("\n", "|").strip("|").split("|"))
def test_an_opt_out_column_waits_for_the_users_decision(column):
    header = ("email", column)
    named = Schema(labels={"email": "Email", column: column, "mine": "Mine"})
    for schema in (SCHEMA, None, named):
        for rules in (Rules(), Rules(only=frozenset({"email"}))):
            with pytest.raises(MappingError, match="opted out or whose address bounces"):
                resolve_columns(header, rules, schema)
    assert resolve_columns(header, Rules(ignored=frozenset({column})), named).names == {0: "email"}
    assert resolve_columns(header, Rules(mapped={column: "mine"}), named).names == {0: "email", 1: "mine"}
    assert resolve_columns(header, Rules(suppress_where={column: ()}), named).names == {0: "email"}
    field = Mapper(0, Rules(), named, None).map(0, [row({"email": "a@x.com", column: "x"})])[0]
    assert (field.outcome, field.category) == (Outcome.INVALID, "PROPERTY")
    only = Mapper(0, Rules(only=frozenset({"email"})), named, None)
    assert only.map(0, [row({"email": "a@x.com", column: "x"})])[0].outcome is Outcome.INVALID


@pytest.mark.parametrize("column", CONSENT.replace("\n", "|").strip("|").split("|"))
def test_a_column_of_consent_waits_too_and_its_yes_suppresses_nobody(column):
    header, named = ("email", column), Schema(labels={"email": "Email", column: column, "mine": "Mine"})
    for where in ({}, {column: ()}):  # without a value, the option would skip those who agreed
        with pytest.raises(MappingError, match=r"agreed to receive e-mail \(no: not to write") as raised:
            resolve_columns(header, Rules(suppress_where=where), named)
        assert f"--suppress-where {quoted(column + '=no')}" in str(raised.value)
    assert resolve_columns(header, Rules(suppress_where={column: ("no",)}), named).names == {0: "email"}
    assert resolve_columns(header, Rules(mapped={column: "mine"}), named).names == {0: "email", 1: "mine"}


@pytest.mark.parametrize(
    ("text", "values", "says"),
    [
        ("No", ("no",), True),
        ("false", ("no",), True),
        ("0", ("NO",), True),
        ("nein", ("no",), True),
        (" ", ("no",), True),
        ("ja", ("no",), False),
        ("1", ("no",), False),
        ("pending", ("no",), None),
        ("pending", ("no", "pending"), True),
        ("never_subscribed", ("no", "pending"), False),
        ("false", ("false",), True),
        ("0", ("false",), False),
        ("", ("false",), False),
        ("yes", ("yes",), True),
    ],
)
def test_what_lacks_consent(text, values, says):
    assert lacks_consent(text, values) is says


def test_a_row_of_ndjson_without_the_field_has_no_consent():
    rules = Rules(suppress_where={"OPT_IN": ("no",)})
    assert fields(rules, {"email": "a@x.com"}).outcome is Outcome.SKIPPED
    assert fields(rules, {"email": "a@x.com", "OPT_IN": None}).outcome is Outcome.SKIPPED
    assert fields(rules, {"email": "a@x.com", "OPT_IN": False}).outcome is Outcome.SKIPPED
    assert isinstance(fields(rules, {"email": "a@x.com", "OPT_IN": True}), Record)


@pytest.mark.parametrize("column", SILENT.replace("\n", "|").strip("|").split("|"))
def test_other_columns_need_no_decision(column):
    assert not carries_opt_out(column)
