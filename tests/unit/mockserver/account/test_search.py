"""The search for records: filters, pages, limits, a quota of its own, and records that are not yet found."""

import pytest

from support.mock_requests import MockClient, one
from uploader.mockserver.quota import Quota

SEARCH = "/crm/v3/objects/contacts/search"


def ask(client, *groups, path=SEARCH, **more):
    body = {"filterGroups": [{"filters": list(group)} for group in groups], "limit": 100, "after": "0"}
    return client.send("POST", path, {**body, "properties": [], "sorts": [], **more})


def search(client, name, operator="HAS_PROPERTY", **more):
    return ask(client, [{"propertyName": name, "operator": operator}], **{"limit": 1, **more})


def among(name, *values):
    return {"propertyName": name, "operator": "IN", "values": list(values)}


def equal(name, value):
    return {"propertyName": name, "operator": "EQ", "value": value}


def found(reply):
    return [held["id"] for held in reply.json()["results"]]


def test_search_counts_live_records_with_a_value():
    client = MockClient()
    client.upsert(*(one(f"c{n}@x.com", city="Bonn" if n % 2 else "") for n in range(10)))
    first = client.stored["c1@x.com"]
    assert first["city"] == "Bonn"
    found = search(client, "city").json()
    assert (found["total"], len(found["results"]), found["paging"]["next"]["after"]) == (5, 1, "1")
    assert search(client, "city", limit=0).json()["results"] == []
    assert search(client, "city", "NOT_HAS_PROPERTY").json()["total"] == 5
    client.simulator.change_records(0.0, [], ["c1@x.com"])
    assert search(client, "city").json()["total"] == 4


def test_search_refuses_unknown_properties_and_has_a_quota_of_its_own():
    client = MockClient(quota=Quota(100, 10.0))
    assert search(client, "shoe_size").status == 400
    replies = [search(client, "city") for _ in range(5)]
    assert [reply.status for reply in replies] == [200] * 4 + [429]
    assert replies[-1].json()["policyName"] == "SECONDLY"
    assert not [name for reply in replies for name in reply.headers if "RateLimit" in name]
    client.now += 1.0
    assert search(client, "city").status == 200


def test_companies_are_found_by_their_domains_a_hundred_at_a_time():
    client = MockClient()
    companies = [{"properties": {"domain": f"D{n}.com"}} for n in range(300)]
    client.simulator.reset(0.0, objects={"companies": companies})
    path = "/crm/v3/objects/companies/search"
    assert len(found(ask(client, [among("domain", *(f"d{n}.com" for n in range(100)))], path=path))) == 100
    assert ask(client, [among("domain", *map(str, range(101)))], path=path).status == 400
    assert found(ask(client, [among("domain", "D1.com")], path=path)) == []
    assert len(found(ask(client, [equal("domain", "D1.COM")], path=path))) == 1


def test_all_filters_of_any_group_hold():
    client = MockClient()
    client.upsert(*(one(f"c{n}@x.com", city="Bonn", firstname=f"N{n}") for n in range(3)))
    both = [equal("city", "bonn"), equal("firstname", "n1")]
    assert len(found(ask(client, both))) == 1
    assert len(found(ask(client, both, [equal("firstname", "n2")]))) == 2
    assert len(found(ask(client))) == 3


@pytest.mark.parametrize(("sizes", "status"), [
    ([6, 6, 6], 200), ([7], 400), ([1] * 5, 200), ([1] * 6, 400), ([4, 4, 4, 4, 3], 400),
])  # fmt: skip
def test_a_search_takes_so_many_filters(sizes, status):
    groups = [[equal("city", "bonn")] * size for size in sizes]
    assert ask(MockClient(), *groups).status == status


def test_there_are_no_results_beyond_ten_thousand():
    client = MockClient()
    assert ask(client, after="9900").status == 200
    assert ask(client, after="9901").status == 400


def test_a_new_record_is_found_only_after_a_while():
    client = MockClient({"rules": {"search_lag_seconds": 5}})
    client.upsert(one("a@x.com", city="Bonn"))
    for now, count in ((0.0, 0), (4.9, 0), (5.0, 1)):
        client.now = now
        assert search(client, "city").json()["total"] == count
