"""Which spellings an account is known to store: those that its replies have shown, and no others."""

import pytest
from hypothesis import given, strategies as st

from uploader.hubspot.schema import Kind
from uploader.mockserver.account.properties import Property
from uploader.mockserver.account.respelling import respelled
from uploader.records.values.compare import Match, compare
from uploader.records.values.respellings import Respellings

TEXT, PHONE = Kind("string"), Kind("string", is_phone=True)
BERLIN = "+49 (0)30 / 123 456", "+4930123456"


def known(name, kind, *pairs):
    respellings = Respellings()
    for sent, stored in pairs:
        respellings.note(name, kind, sent, stored)
    return respellings


def test_nothing_is_known_before_a_reply():
    assert not Respellings().gives("phone", PHONE, *BERLIN)


@pytest.mark.parametrize(
    ("name", "kind", "shown", "wanted", "held"),
    [
        ("phone", PHONE, BERLIN, "+49 (0)40 / 654 321", "+4940654321"),
        ("phone", PHONE, ("0049 30-123456", "+4930123456"), "0049 40-654321", "+4940654321"),
        ("domain", TEXT, ("https://acme.com/", "acme.com"), "https://other.de/", "other.de"),
        ("domain", TEXT, ("HTTPS://Acme.COM", "acme.com"), "https://Other.de", "other.de"),
        ("domain", TEXT, ("https://www.acme.com", "www.acme.com"), "https://www.b.de", "www.b.de"),
        ("domain", TEXT, ("https://www.acme.com", "acme.com"), "https://www.b.de", "b.de"),
        ("jobtitle", TEXT, ("Head  of Sales", "Head of Sales"), "Head  of IT", "Head of IT"),
    ],
)
def test_what_a_reply_has_shown_is_known_of_texts_of_the_same_sort(name, kind, shown, wanted, held):
    respellings = known(name, kind, shown)
    assert respellings.gives(name, kind, wanted, held)
    assert not respellings.gives("other", kind, wanted, held)
    assert not respellings.gives(name, kind, wanted, f"{held}0")
    assert not respellings.gives(name, kind, wanted, "")


@pytest.mark.parametrize(
    ("name", "kind", "shown", "wanted", "held"),
    [
        # Another rule might do as much, and leave this one.
        ("phone", PHONE, ("+49 30 123456", "+4930123456"), *BERLIN),
        ("domain", TEXT, ("Acme.com", "acme.com"), "https://b.de", "b.de"),
        ("domain", TEXT, ("https://acme.com/", "acme.com"), "https://www.b.de/", "b.de"),
        ("domain", TEXT, ("https://acme.com/", "acme.com"), "https://b.de/contact", "b.de"),
        ("domain", TEXT, ("https://www.acme.com", "acme.com"), "https://www.b.de", "www.b.de"),
        # Formats go by country.
        ("phone", PHONE, BERLIN, "+41 (0)44 / 123 456 7", "+41441234567"),
        # Numbers of another length may be kept as they are.
        ("phone", PHONE, BERLIN, "+49 (0)40 / 654 321 0", "+49406543210"),
        # The country is the contact's.
        ("phone", PHONE, ("030 123456", "+4930123456"), "030 654321", "+4930654321"),
        ("phone", PHONE, ("030 123456", "+4930123456"), "030 654321", "+4130654321"),
        # The account keeps these as they are sent.
        ("phone", PHONE, (BERLIN[0], BERLIN[0]), *BERLIN),
        ("domain", TEXT, ("https://acme.com/", "https://acme.com/"), "https://b.de/", "b.de"),
        ("phone", PHONE, ("+4930123456", "+4930123456"), *BERLIN),
        # Nobody knows what this account does.
        ("phone", PHONE, (BERLIN[0], "+49 30 123456"), *BERLIN),
        ("phone", PHONE, (BERLIN[0], ""), *BERLIN),
    ],
)
def test_what_no_reply_has_shown_is_not_known(name, kind, shown, wanted, held):
    assert not known(name, kind, shown).gives(name, kind, wanted, held)


def test_a_reply_that_contradicts_a_rule_ends_it():
    respellings = known("phone", PHONE, BERLIN)
    assert respellings.gives("phone", PHONE, *BERLIN)
    respellings.note("phone", PHONE, "+49 (0)40 / 1", "+49 (0)40 / 1")  # too short: it says nothing
    assert respellings.gives("phone", PHONE, *BERLIN)
    respellings.note("phone", PHONE, "+49 (0)40 / 654 321", "+49 (0)40 / 654 321")
    respellings.note("phone", PHONE, *BERLIN)
    assert not respellings.gives("phone", PHONE, *BERLIN)


def test_the_rule_that_remains_is_known_where_two_may_hold():
    respellings = known("domain", TEXT, ("https://acme.com/", "acme.com"))
    assert not respellings.gives("domain", TEXT, "https://www.b.de/", "b.de")
    respellings.note("domain", TEXT, "https://www.acme.com/", "acme.com")
    assert respellings.gives("domain", TEXT, "https://www.b.de/", "b.de")
    assert not respellings.gives("domain", TEXT, "https://www.b.de/", "www.b.de")


_PHONES = st.from_regex(r"(\+|00|0)(49|41)( \(0\)|-)?[1-9][0-9 /-]{6,9}[0-9]", fullmatch=True)
_DOMAINS = st.from_regex(r"(https?://|HTTPS://)?(www\.)?[a-z]{1,4}\.(com|DE)(/|/x)?", fullmatch=True)
_PROPERTIES = {
    "phone": (Property(name="phone", label="Phone", field_type="phonenumber"), PHONE, _PHONES),
    "domain": (Property(name="domain", label="Domain"), TEXT, _DOMAINS),
}


@given(st.sampled_from(sorted(_PROPERTIES)), st.data(), st.sampled_from(["", "49"]), st.booleans())
def test_what_is_known_is_what_the_account_stores_and_equal_by_its_rules(name, data, country_code, respells):
    property_, kind, texts = _PROPERTIES[name]

    def stored(text):
        return respelled(property_, text, country_code) if respells else text

    shown = data.draw(st.lists(texts, max_size=4))
    respellings = known(name, kind, *((text, stored(text)) for text in shown))
    wanted = data.draw(texts)
    for held in {stored(text) for text in [*shown, wanted]} | {wanted}:
        if respellings.gives(name, kind, wanted, held):
            assert held == stored(wanted)
            assert compare(name, kind, wanted, held).match is Match.EXPLAINED
    is_determined = respells and name == "phone" and wanted[:1] == "+" and stored(wanted) != wanted
    if is_determined and wanted in shown:
        assert respellings.gives(name, kind, wanted, stored(wanted))
