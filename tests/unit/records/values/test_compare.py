"""Whether what is held is what was sent: by type, apart from what HubSpot changes by itself."""

import pytest
from hypothesis import given, strategies as st

from uploader.hubspot.schema import Kind
from uploader.mockserver.account.properties import Option, Property
from uploader.mockserver.account.respelling import respelled
from uploader.records.values.compare import Match, compare, may_be_respelled

PHONE = Kind("phone_number", is_phone=True)
TEXT, NUMBER, BOOL = Kind("string"), Kind("number"), Kind("bool")
DATE, MOMENT, CHOICES = Kind("date"), Kind("datetime"), Kind("enumeration", is_multiple=True)


@pytest.mark.parametrize(
    ("name", "kind", "wanted", "held"),
    [
        ("email", TEXT, "Ann@X.com", "ann@x.com"),
        ("size", NUMBER, "1.10", "1.1"),
        ("size", NUMBER, "0", "0.0"),
        ("vip", BOOL, "TRUE", "true"),
        ("born", DATE, "1641038400000", "2022-01-01"),
        ("born", DATE, "2022-01-01", "1641038400000"),
        ("size", NUMBER, "007", "7"),
        ("size", NUMBER, "1e3", "1000"),
        ("size", NUMBER, "+5.", "5"),
        ("city", TEXT, " Ulm ", "Ulm"),
        ("likes", CHOICES, ";b", "a;b"),
        ("likes", CHOICES, "b;a", "a;b"),
    ],
)
def test_what_hubspot_does_by_itself_is_told_with_its_rule(name, kind, wanted, held):
    comparison = compare(name, kind, wanted, held)
    assert comparison.match is Match.ADJUSTED
    assert comparison.rule


@pytest.mark.parametrize(
    ("name", "kind", "wanted", "held"),
    [
        ("domain", TEXT, "https://Acme.COM/", "acme.com"),
        ("phone", PHONE, "+49 (0)30 / 123-456", "+4930123456"),
        ("phone", PHONE, "0049 30 123456", "+4930123456"),
        ("domain", TEXT, "www.acme.com", "acme.com"),
        ("domain", TEXT, "https://acme.com/contact", "acme.com"),
        ("phone", PHONE, "030 123456", "+4930123456"),
        ("phone", PHONE, "4930123456", "+4930123456"),
        ("note", TEXT, "a\r\nb", "a\nb"),
    ],
)
def test_what_hubspot_may_have_made_of_a_value_is_another_value_with_a_rule(name, kind, wanted, held):
    comparison = compare(name, kind, wanted, held)
    assert (comparison.match, bool(comparison.rule)) == (Match.EXPLAINED, True)
    # What HubSpot would not make of it is different: it has to be sent.
    assert compare(name, kind, held, wanted).match in {Match.DIFFERS, Match.EXPLAINED}


@pytest.mark.parametrize(
    ("kind", "wanted", "held"),
    [
        (TEXT, "Ann  Lee", "ann lee"),
        (TEXT, "acme.com", "https://www.acme.com/"),
        (PHONE, "030 123456", "+4930123456"),
        (NUMBER, "007.50", "7.5"),
    ],
)
def test_a_value_may_be_respelled_by_the_rules_of_its_type(kind, wanted, held):
    assert may_be_respelled("any", kind, wanted, held)


@pytest.mark.parametrize(
    ("kind", "wanted", "held"),
    [
        (TEXT, "Ann", "Bob"),
        (TEXT, "Ann", ""),
        (TEXT, "Alexander", "Alex"),
        (TEXT, "Bonn", "Bonn-Beuel"),
        (TEXT, "10.5 kg", "105 kg"),
        (PHONE, "030 123456", "123"),
        (NUMBER, "100", "10"),
        (NUMBER, "-5", "5"),
        (DATE, "2024-01-01", "2024-01-011"),
        (Kind("enumeration"), "gold_plus", "gold"),
        (Kind(), "Ann", "ann"),
    ],
)
def test_a_part_of_a_value_is_no_other_spelling_of_it(kind, wanted, held):
    assert not may_be_respelled("any", kind, wanted, held)
    assert not may_be_respelled("any", kind, held, wanted)


STAGES = Kind("enumeration", stages=("98211533", "lead", "customer", "98211534"))


@pytest.mark.parametrize(("wanted", "held"), [("98211533", "lead"), ("lead", "98211534")])
def test_a_stage_that_may_have_been_kept_is_another_value_with_a_rule(wanted, held):
    comparison = compare("lifecyclestage", STAGES, wanted, held)
    assert (comparison.match, comparison.is_same, comparison.is_hubspots) == (Match.EXPLAINED, False, True)
    assert comparison.rule
    assert compare("lifecyclestage", STAGES, held, wanted).match is Match.DIFFERS
    assert compare("lifecyclestage", STAGES, wanted, "gold").match is Match.DIFFERS


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        ("2022-01-01T12:00:00Z", "2022-01-01T12:00:00.000Z"),
        ("2022-01-01T12:00:00+01:00", "2022-01-01T11:00:00Z"),
        ("1641038400000", "2022-01-01T12:00:00.000Z"),
    ],
)
def test_one_instant_in_two_spellings_is_no_adjustment(wanted, held):
    assert compare("seen", MOMENT, wanted, held).match is Match.EQUAL


@pytest.mark.parametrize(
    ("name", "kind", "wanted", "held"),
    [
        ("city", TEXT, "Ulm", "ulm"),
        ("city", TEXT, "Ulm", ""),
        ("city", TEXT, "Ulm", "Ulm "),
        ("city", TEXT, "Ulm", "U lm"),
        ("domain", TEXT, "acme.com", "acme.de"),
        ("city", TEXT, "Acme.com", "acme.com"),
        ("phone", PHONE, "+4930123456", "+49 30 123456"),
        ("phone", PHONE, "+49 30 123456", "+4930123457"),
        ("phone", PHONE, "30123456", "+1234930123456"),
        ("phone", PHONE, "12345", "+4912345"),
        ("phone", PHONE, "+49 30 123456 x7", "+4930123456"),
        ("note", TEXT, "+49 30 123456", "+4930123456"),
        ("zip", TEXT, "01", "1"),
        ("zip", TEXT, "1.0", "1"),
        ("zip", Kind(), "01", "1"),
        ("phone", Kind("phone_number"), "+49", "49"),
        ("lifecyclestage", Kind("enumeration"), "customer", "lead"),
        ("lifecyclestage", Kind("enumeration"), "customer", "gold"),
        ("size", NUMBER, "1.1", "1.2"),
        ("size", NUMBER, "1", "one"),
        ("born", DATE, "2022-01-01", "2022-01-02"),
        ("born", DATE, "2022-01-01", ""),
        ("seen", MOMENT, "2022-01-01T12:00:00Z", "2022-01-01T12:00:00"),
        ("likes", CHOICES, "a", "a;b"),
        ("likes", CHOICES, ";c", "a;b"),
        ("tier", Kind("enumeration"), "b;a", "a;b"),
    ],
)
def test_values_that_differ_by_more_than_spelling_are_different(name, kind, wanted, held):
    assert compare(name, kind, wanted, held).match is Match.DIFFERS


@given(st.text(), st.sampled_from([TEXT, NUMBER, BOOL, DATE, MOMENT, CHOICES, Kind()]), st.text())
def test_a_value_equals_itself_and_nothing_makes_comparing_fail(name, kind, value):
    assert compare(name, kind, value, value).match is Match.EQUAL
    compare(name, kind, value, name)


@pytest.mark.parametrize(
    ("name", "wanted", "held"),
    [
        ("article", "1.10", "1.1"),
        ("article", "5.0", "5"),
        ("article", "0", "0.0"),
        ("email", "Ann@X.com", "ann@x.com"),
        ("lifecyclestage", "lead", "customer"),
        ("vip", "TRUE", "true"),
        ("born", "1641038400000", "2022-01-01"),
        ("seen", "2022-01-01T12:00:00Z", "2022-01-01T12:00:00.000Z"),
        ("likes", "b;a", "a;b"),
    ],
)
@pytest.mark.parametrize("kind", [Kind(), Kind(is_multiple=True), Kind(may_be_address=False)], ids=repr)
def test_without_a_type_only_identical_text_is_equal(name, kind, wanted, held):
    assert compare(name, kind, wanted, held).match is Match.DIFFERS
    assert compare(name, kind, held, wanted).match is Match.DIFFERS
    assert compare(name, kind, held, held).match is Match.EQUAL


_OPTIONS = tuple(Option(value, value) for value in "abc")
_PROPERTIES = [
    Property(name="email", label="Email"),
    Property(name="note", label="Note"),
    Property(name="size", label="Size", type="number"),
    Property(name="vip", label="Vip", type="bool", options=(Option("Yes", "true"), Option("No", "false"))),
    Property(name="born", label="Born", type="date"),
    Property(name="seen", label="Seen", type="datetime"),
    Property(name="likes", label="Likes", type="enumeration", field_type="checkbox", options=_OPTIONS),
]
_TEXTS = (
    st.text(max_size=8)
    | st.from_regex(r"[A-Za-z]{1,4}@[A-Za-z]{1,4}\.(com|DE)", fullmatch=True)
    | st.from_regex(r"-?[0-9]{1,4}(\.[0-9]{1,3})?", fullmatch=True)
    | st.sampled_from(["true", "FALSE", "a;b", "c", "b;a"])
    | st.dates().map(str)
    | st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat(timespec="milliseconds"))
    | st.integers(-(10**12), 10**12).map(lambda day: str(day // 86_400_000 * 86_400_000))
)


_RESPELLED = [
    *(one for one in _PROPERTIES if one.name != "email"),
    Property(name="phone", label="Phone", type="string", field_type="phonenumber"),
    Property(name="domain", label="Domain"),
]
_MORE_TEXTS = (
    _TEXTS
    | st.from_regex(r"(\+|00|0)[1-9][0-9 ()/-]{5,14}", fullmatch=True)
    | st.from_regex(r"(HTTPS?://)?(www\.)?[A-Za-z]{1,4}\.(com|DE)/?", fullmatch=True)
)


@given(st.sampled_from(_RESPELLED), _MORE_TEXTS, st.sampled_from(["", "49"]))
def test_what_an_account_makes_of_a_value_is_not_different_from_it(wanted_of, text, country_code):
    checked = wanted_of.check(text.strip())
    if isinstance(checked, str):
        stored = respelled(wanted_of, checked, country_code) if checked else ""
        is_phone = wanted_of.field_type == "phonenumber"
        kind = Kind(wanted_of.type, wanted_of.is_multiple, is_phone=is_phone)
        assert compare(wanted_of.name, kind, text.strip(), stored).match is not Match.DIFFERS


@given(st.sampled_from(_PROPERTIES), _TEXTS)
def test_what_the_server_stores_of_a_value_it_takes_is_not_different_from_it(wanted_of, text):
    stored = wanted_of.check(text.strip())
    if isinstance(stored, str):
        kind = Kind(wanted_of.type, wanted_of.is_multiple)
        assert compare(wanted_of.name, kind, text.strip(), stored).match is not Match.DIFFERS
