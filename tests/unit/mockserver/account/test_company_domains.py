"""Companies that HubSpot makes from the domains of contacts, where the account has it so."""

import pytest

from support.mock_requests import ARCHIVE, MockClient, one, traced
from uploader.mockserver.account.company_domains import domain_of

ON = {"account": {"companies_from_domains": True}}


def companies(talk, now=0.0):
    """The live companies: domain, and the address of each linked contact with its labels."""
    by_id = {held["id"]: held for held in talk.simulator.objects(now, "companies")}
    addresses = {held["id"]: held["properties"].get("email") for held in talk.simulator.objects(now)}
    linked = {company: {} for company, held in by_id.items() if not held["archived"]}
    for link in talk.simulator.links(now):
        linked[link["from"]["id"]][addresses[link["to"]["id"]]] = link["labels"]
    return {by_id[company]["properties"]["domain"]: found for company, found in linked.items()}


def test_it_is_off_by_default():
    talk = MockClient()
    talk.upsert(one("ann@acme.com"))
    assert companies(talk) == {}


def test_contacts_of_a_domain_share_a_new_company_which_is_their_primary_one():
    talk = MockClient(ON)
    talk.upsert(*traced("ann@acme.com", "bob@ACME.com", "carl@other.org"))
    assert companies(talk) == {
        "acme.com": {"ann@acme.com": ["Primary"], "bob@acme.com": ["Primary"]},
        "other.org": {"carl@other.org": ["Primary"]},
    }
    talk.upsert(one("ann@acme.com", city="Bonn"))
    assert len(list(talk.simulator.objects(0.0, "companies"))) == 2


def test_a_company_that_has_the_domain_is_taken_and_an_archived_one_is_not():
    talk = MockClient(ON)
    talk.simulator.reset(0.0, objects={"companies": [
        {"properties": {"domain": "acme.com"}}, {"properties": {"domain": "Acme.com"}},
        {"properties": {"domain": "gone.com"}},
    ]})  # fmt: skip
    first, second, gone = (held["id"] for held in talk.simulator.objects(0.0, "companies"))
    talk.simulator.change_records(0.0, [], [{"id": gone}], "companies")
    moved = {"id": first, "properties": {"domain": "moved.com"}}
    talk.upsert(one("ann@acme.com"))
    assert next(talk.simulator.links(0.0))["from"]["id"] == first
    talk.simulator.change_records(0.0, [moved], [], "companies")
    talk.upsert(one("bob@acme.com"), one("dan@gone.com"))
    linked = [link["from"]["id"] for link in talk.simulator.links(0.0)]
    assert linked[:2] == [first, second]
    assert linked[2] not in (first, second, gone)


def test_a_contact_with_a_company_keeps_it_and_mailbox_providers_have_none():
    talk = MockClient(ON)
    talk.simulator.reset(0.0, [{"properties": {"email": "ann@acme.com"}}])
    talk.simulator.change_records(
        0.0, [], [], associate=[{"email": "ann@acme.com", "to": "companies", "ids": [9]}]
    )
    talk.upsert(*traced("bob@gmail.com"), one("ann@acme.com", trace="a", email="ann@acme.com"))
    assert list(talk.simulator.objects(0.0, "companies")) == []


@pytest.mark.parametrize(("address", "domain"), [
    ("a@x.com", "x.com"), ("a@Sub.X.com ", "sub.x.com"), ("a@gmail.com", ""), ("", ""),
])  # fmt: skip
def test_the_domain_of_an_address(address, domain):
    assert domain_of(address) == domain


def test_it_comes_after_a_while_so_that_a_client_may_be_first():
    talk = MockClient({"account": {"companies_from_domains": True, "companies_after_seconds": 5}})
    talk.upsert(*traced("ann@acme.com", "bob@other.org", "eve@third.net"))
    ann, bob, eve = (held["id"] for held in talk.simulator.objects(0.0))
    talk.simulator.change_records(0.0, [], [], associate=[{"id": ann, "to": "companies", "ids": [9]}])
    talk.send("POST", ARCHIVE, {"inputs": [{"id": eve}]})
    assert list(talk.simulator.objects(4.0, "companies")) == []
    (made,) = talk.simulator.objects(5.0, "companies")
    assert made["properties"] == {"domain": "other.org", "name": "Other"}
    assert [link["to"]["id"] for link in talk.simulator.links(5.0)] == [ann, bob]


def test_a_late_write_makes_its_company_too():
    fault = {"kind": "reset", "late_seconds": 1}
    talk = MockClient({**ON, "faults": [fault]})
    talk.upsert(one("ann@acme.com"))
    assert companies(talk, 2.0) == {"acme.com": {"ann@acme.com": ["Primary"]}}
