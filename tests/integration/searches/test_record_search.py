"""Records found by values of a property, at the pace of the search, whatever the answers."""

import asyncio
import random

import pytest

from support.mock_transport import MockTransport, make_simulator
from support.virtual_loop import run_virtual
from uploader.hubspot.requests import MAX_SEARCH_BYTES, encode_search, paths
from uploader.hubspot.transport import Call
from uploader.mockserver.account import search
from uploader.model.settled_rows import Tallies
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.rate.in_flight_cap import InFlightCap
from uploader.pipeline.rate.limiter import SendLog
from uploader.pipeline.rate.search_pace import QUOTA
from uploader.pipeline.rate.trusted_clock import Clocks
from uploader.pipeline.requests import record_search
from uploader.pipeline.requests.attempts import Attempts
from uploader.pipeline.requests.record_search import Found, RecordSearch, chunks
from uploader.pipeline.sender import Sender
from uploader.records.values.respellings import searchable

ASK = Call("GET", "/account-info/v3/details")


def account_of(companies, **scenario):
    simulator = make_simulator(**{"quota": "190/10", "latency_seconds": 0.3, **scenario})
    simulator.reset(0.0, objects={"companies": [{"properties": one} for one in companies]})
    return simulator


def ids_of(simulator, **wanted):
    ((name, value),) = wanted.items()
    return [one["id"] for one in simulator.objects(1e9, "companies") if one["properties"].get(name) == value]


class Client:
    """Requests to an account on the running loop."""

    def __init__(self, simulator, version="v3", **named) -> None:
        loop = asyncio.get_running_loop()
        self.transport = MockTransport(simulator)
        self.tallies = Tallies()
        self.sender = Sender(
            self.transport, SendLog(), InFlightCap(32, 32), self.tallies, Clocks(loop.time), **named
        )
        self.attempts = Attempts(self.sender, lambda _: None, random.Random(0).random)
        self.path = paths(version, "companies").search

    async def find(self, name, values) -> Found:
        return await RecordSearch(self.attempts, self.path, name).find(values)


def find(simulator, name, values, **options) -> Found:
    async def run() -> Found:
        return await Client(simulator, **options).find(name, values)

    return run_virtual(run())


@pytest.mark.parametrize("version", ["v3", "2026-03", "2026-09"])
def test_companies_are_found_by_any_spelling_of_their_domain(version):
    held = [f"www.d{n}.com" if n % 10 == 9 else f"d{n}.com" for n in range(250)]
    simulator = account_of([{"domain": one} for one in [*held, "D7.com"]])
    asked = {f"https://www.D{n}.com/about?x" if n % 2 else f" D{n}.COM ": n for n in range(250)}
    found = find(simulator, "domain", [*asked, "none.com", ""], version=version)
    assert found.unknown == {}
    assert [len(found.ids[value]) for value in asked] == [2 if n == 7 else 1 for n in asked.values()]
    assert found.ids[" D8.COM "] == ids_of(simulator, domain="d8.com")
    assert (found.ids["none.com"], found.ids[""]) == ([], [])
    assert len(simulator.statistics.log) == 4


def test_companies_are_found_by_name_and_the_oldest_comes_first():
    simulator = account_of([{"name": name} for name in ("Müller  AG", "müller ag", "Other")])
    found = find(simulator, "name", ["Müller AG", "MÜLLER  AG", "nobody"])
    first = ids_of(simulator, name="Müller  AG")
    assert found.ids["nobody"] == []
    assert found.ids["Müller AG"] == found.ids["MÜLLER  AG"]
    assert set(found.ids["Müller AG"]) <= {*first, *ids_of(simulator, name="müller ag")}


def test_all_pages_are_read_up_to_the_last_that_hubspot_has(monkeypatch):
    monkeypatch.setattr(search, "MOST_OF_ALL_PAGES", 600)
    monkeypatch.setattr(record_search, "MAX_FOUND_IN_ALL", 600)
    many = [{"domain": "many.com"}] * 650 + [{"domain": f"d{n}.com"} for n in range(3)]
    found = find(account_of(many), "domain", ["many.com", *(f"d{n}.com" for n in range(3))])
    assert len(found.ids["many.com"]) == 600
    assert [len(found.ids[f"d{n}.com"]) for n in range(3)] == [1, 1, 1]


def test_a_search_has_as_many_values_as_its_body_may_hold():
    values = sorted(f"{'x' * (n % 90)}{n}.com" for n in range(900))
    parts = list(chunks("domain", values))
    assert [value for part in parts for value in part] == values
    assert all(len(encode_search("domain", part)) <= MAX_SEARCH_BYTES for part in parts)
    assert max(map(len, parts)) == 100
    assert list(chunks("domain", ["x" * 4_000])) == [["x" * 4_000]]


def test_searches_keep_their_pace_and_others_do_not_wait_for_them():
    simulator = account_of([{"domain": f"d{n}.com"} for n in range(10)])

    async def run() -> tuple[list[float], list[float], Tallies]:
        client = Client(simulator)
        await client.sender.send(ASK)
        began = asyncio.get_running_loop().time()
        asks = [client.sender.send(ASK) for _ in range(60)]
        finds = [client.find("domain", [f"d{n % 10}.com"]) for n in range(30)]
        await asyncio.gather(*finds, *asks)
        at = list(zip(client.transport.sent_at, client.transport.paths, strict=True))
        searches = [time for time, path in at if path.endswith("search")]
        return searches, [time - began for time, path in at if path == ASK.path], client.tallies

    searches, others, tallies = run_virtual(run())
    for at in searches:
        assert sum(at <= other < at + QUOTA.seconds for other in searches) <= QUOTA.requests
    assert searches[-1] - searches[0] < 30 / QUOTA.requests * 1.15
    assert max(others) < 4.0
    assert tallies.throttled == 0


def test_a_refusal_of_a_search_holds_up_searches_alone():
    """Another app uses up the searches of the account."""
    simulator = account_of([{"domain": "d.com"}])
    body = encode_search("domain", ["d.com"])

    async def others(until: float) -> None:
        transport = MockTransport(simulator, "another")
        while asyncio.get_running_loop().time() < until:
            await asyncio.gather(
                *(transport.send(Call("POST", paths("v3", "companies").search, body)) for _ in range(5))
            )
            await asyncio.sleep(0.2)

    async def run() -> tuple[Found, float, Tallies, object]:
        client, loop = Client(simulator), asyncio.get_running_loop()
        disturbance = asyncio.ensure_future(others(6.0))
        await asyncio.sleep(0.1)
        await client.sender.send(ASK)
        search = asyncio.ensure_future(client.find("domain", ["d.com"]))
        await asyncio.sleep(1.0)
        began = loop.time()
        await asyncio.gather(*(client.sender.send(ASK) for _ in range(20)))
        seconds = loop.time() - began
        assert not search.done()
        found = await search
        await disturbance
        return found, seconds, client.tallies, client.sender.pause_under_way

    found, seconds, tallies, pause = run_virtual(run())
    assert len(found.ids["d.com"]) == 1
    assert tallies.throttled > 0
    assert (tallies.pauses, pause) == ({}, None)
    assert seconds < 3.0


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503, "rate": 0.4},
        {"kind": "reset", "rate": 0.4},
        {"kind": "status", "status": 429, "rate": 0.4},
        {"kind": "truncate", "rate": 0.4},
    ],
)
def test_answers_that_fail_are_asked_for_again(fault):
    simulator = account_of(
        [{"domain": f"d{n}.com"} for n in range(500)], faults=[{**fault, "endpoint": "search"}]
    )
    found = find(simulator, "domain", [f"d{n}.com" for n in range(500)])
    assert found.unknown == {}
    assert {len(ids) for ids in found.ids.values()} == {1}


def test_values_whose_search_is_refused_are_unknown_and_the_reason_is_kept():
    found = find(account_of([]), "shoe_size", ["41", "42", ""])
    assert found.unknown == {
        "41": 'shoe_size: Property "shoe_size" does not exist',
        "42": 'shoe_size: Property "shoe_size" does not exist',
    }
    assert found.ids == {"": []}


def test_a_token_without_the_scope_ends_the_run():
    simulator = account_of([], auth={"scopes": ["crm.objects.contacts.read"]})
    with pytest.raises(StopRun) as raised:
        find(simulator, "domain", ["d.com"])
    assert raised.value.cause is Cause.SCOPE


@pytest.mark.parametrize(
    ("name", "value", "form"),
    [
        ("domain", "https://www.Acme.com/path?q#f", "acme.com"),
        ("domain", " www.acme.com ", "acme.com"),
        ("domain", "wwwacme.com", "wwwacme.com"),
        ("domain", "", ""),
        ("name", " Acme \t Inc. ", "acme inc."),
    ],
)
def test_the_form_by_which_values_are_compared(name, value, form):
    assert searchable(name, value) == form
