"""The mock server over real sockets: faults, control, process, fixture, official client."""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress

import aiohttp
import aiohttp.web
import orjson
import pytest
from hubspot.crm import companies, contacts, deals, objects, owners, properties, tickets

from support.mock_requests import UPSERT, fault, many, one, traced
from uploader.mockserver.faults.scenario import Scenario
from uploader.mockserver.quota import parse_quota
from uploader.mockserver.server import MockServer
from uploader.mockserver.settings import MockSettings

AUTH = {"Authorization": "Bearer any"}


def settings(document=None, **rest):
    return MockSettings(scenario=Scenario.parse(document or {}), latency_seconds=0.0, **rest)


@pytest.fixture
async def client():
    async with aiohttp.ClientSession(headers=AUTH) as session:
        yield session


async def upsert(client, server, *inputs):
    async with client.post(server.url + UPSERT, data=orjson.dumps({"inputs": list(inputs)})) as reply:
        return reply.status, await reply.read()


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the server has no event to wait for
            await asyncio.sleep(0)


async def call(client, server, method, path, body=None):
    async with client.request(method, f"{server.url}/_mock/{path}", json=body) as reply:
        return reply.status, [json.loads(line) for line in (await reply.text()).splitlines()]


async def test_an_upsert_over_http(client):
    async with MockServer(settings()) as server:
        async with client.post(
            server.url + UPSERT, json={"inputs": traced("a@x.com", "b@x.badtld")}
        ) as reply:
            assert (reply.status, (await reply.json())["numErrors"]) == (207, 1)
            assert reply.headers["Content-Type"] == "application/json;charset=utf-8"
            assert reply.headers["X-HubSpot-RateLimit-Max"] == "190"
        async with client.get(f"{server.url}/nowhere") as reply:
            assert reply.status == 404


@pytest.mark.parametrize(("moment", "remaining"), [("arrival", "189"), ("answer", "188")])
async def test_over_http_what_remains_is_counted_at_the_arrival_or_at_the_answer(client, moment, remaining):
    faults = [{"kind": "delay", "seconds": 0.2, "requests": [1, 1]}]
    async with MockServer(settings({"rules": {"remaining_at": moment}, "faults": faults})) as server:

        async def first():
            async with client.post(server.url + UPSERT, json={"inputs": traced("a@x.com")}) as reply:
                return reply.headers["X-HubSpot-RateLimit-Remaining"]

        slow = asyncio.ensure_future(first())
        await until(lambda: server.simulator.statistics.first_at is not None)
        await upsert(client, server, *traced("b@x.com"))
        assert await slow == remaining


async def test_a_reset_breaks_the_connection_before_any_answer(client):
    async with MockServer(settings(fault("reset", applied=True))) as server:
        with pytest.raises(aiohttp.ClientConnectionError):
            await upsert(client, server, one("a@x.com"))
        assert server.simulator.stats()["contacts"] == 1
        assert server.simulator.stats()["by_status"] == {"reset": 1}


async def test_a_truncated_body_breaks_off(client):
    async with MockServer(settings(fault("truncate"))) as server:
        with pytest.raises(aiohttp.ClientPayloadError):
            await upsert(client, server, *many(100))


async def test_a_dripping_body_arrives_whole(client):
    async with MockServer(settings(fault("drip", seconds=0.01))) as server:
        status, body = await upsert(client, server, *many(20))
        assert (status, len(orjson.loads(body)["results"])) == (200, 20)


@pytest.mark.parametrize("shape", ["empty", "invalid_utf8", "huge", "html"])
async def test_garbled_bodies_arrive_as_ordered(client, shape):
    async with MockServer(settings(fault("garble", shape=shape, bytes=2_000_000))) as server:
        status, body = await upsert(client, server, one("a@x.com"))
        assert status == 200
        assert len(body) == {"empty": 0, "huge": 2_000_000}.get(shape, len(body))


@pytest.mark.parametrize("status", [477, 524, 799])
async def test_statuses_unknown_to_any_library_reach_the_client(client, status):
    async with MockServer(settings(fault("status", status=status))) as server:
        assert (await upsert(client, server, one("a@x.com")))[0] == status


async def test_gzip_is_what_the_client_undoes(client):
    async with MockServer(settings({"rules": {"gzip": True}})) as server:
        status, body = await upsert(client, server, *many(3))
        assert (status, len(orjson.loads(body)["results"])) == (200, 3)


async def test_in_flight_counts_replies_not_yet_sent(client):
    async with MockServer(settings(fault("delay", seconds=0.5))) as server:
        await asyncio.gather(*(upsert(client, server, one(f"{n}@x.com")) for n in range(5)))
        stats = server.simulator.stats()
        assert 1 < stats["most_in_flight"] <= 5
        assert stats["in_flight"] == 0


async def test_a_client_that_goes_away_is_no_longer_in_flight(client):
    async with MockServer(settings(fault("delay", seconds=3600))) as server:
        waiting = asyncio.create_task(upsert(client, server, one("a@x.com")))
        await until(lambda: server.simulator.statistics.in_flight == 1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await until(lambda: server.simulator.statistics.in_flight == 0)
        assert server.simulator.stats()["contacts"] == 1


@pytest.mark.parametrize("path", ["/_mock/objects/contacts", "/crm/v3/properties/contacts"])
async def test_a_client_that_goes_while_it_is_answered_leaves_no_traceback(client, caplog, monkeypatch, path):
    async def break_off(*_):
        raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")

    async with MockServer(settings()) as server:
        monkeypatch.setattr(aiohttp.web.StreamResponse, "write_eof", break_off)
        monkeypatch.setattr(aiohttp.web.Response, "write_eof", break_off)
        with suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(0.2), client.get(server.url + path) as reply:
                await reply.read()
        assert server.simulator.statistics.in_flight == 0
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_the_control_side_looks_and_steers_and_is_never_counted(client):
    async with MockServer(settings(quota=parse_quota("2/10"))) as server:
        for _ in range(3):
            await upsert(client, server, one("a@x.com", phone="1"))
        _, [stats] = await call(client, server, "GET", "stats")
        assert {
            name: stats[name] for name in ("requests", "accepted", "throttled", "upserts", "contacts")
        } == {
            "requests": 3,
            "accepted": 2,
            "throttled": 1,
            "upserts": 2,
            "contacts": 1,
        }
        assert (stats["by_status"], stats["most_in_window"]) == ({"200": 2, "429": 1}, 2)
        assert (stats["quota"], stats["window_seconds"]) == ("2/10", 10.0)
        assert (stats["records_received"], stats["records_written"]) == (2, 2)
        assert 0 <= stats["first_request_at"] <= stats["last_request_at"]
        _, [contact] = await call(client, server, "GET", "objects/contacts")
        assert (contact["properties"], contact["writes"]) == ({"email": "a@x.com", "phone": "1"}, 2)
        _, log = await call(client, server, "GET", "log")
        assert [(seen["status"], seen["inputs"]) for seen in log] == [("200", 1), ("200", 1), ("429", 0)]

        assert (await call(client, server, "POST", "quota", {"quota": "none"}))[0] == 200
        assert (await upsert(client, server, one("a@x.com")))[0] == 200
        assert (await call(client, server, "POST", "scenario", fault("status", status=503)))[0] == 200
        assert (await upsert(client, server, one("a@x.com")))[0] == 503
        seed = {"contacts": [{"properties": {"email": "S@x.com"}, "additional_emails": ["t@x.com"]}]}
        assert (await call(client, server, "POST", "reset", seed))[0] == 200
        _, [contact] = await call(client, server, "GET", "objects/contacts")
        assert (contact["properties"], contact["additional_emails"]) == ({"email": "s@x.com"}, ["t@x.com"])
        _, [stats] = await call(client, server, "GET", "stats")
        assert stats["requests"] == 0


@pytest.mark.parametrize(
    ("order", "body"),
    [
        ("scenario", {"nonsense": 1}),
        ("scenario", [1]),
        ("quota", {"quota": "many"}),
        ("reset", {"contacts": ["x"]}),
        ("reset", {"contacts": 7}),
        ("nothing", None),
    ],
)
async def test_senseless_orders_are_refused(client, order, body):
    async with MockServer(settings()) as server:
        status, [answer] = await call(client, server, "POST", order, body)
        assert status in (400, 404)
        assert answer["error"]


async def test_a_late_write_shows_in_stats_and_objects(client):
    document = fault("status", status=504, late_seconds=0.0)
    async with MockServer(settings(document)) as server:
        await upsert(client, server, one("a@x.com"))
        _, [stats] = await call(client, server, "GET", "stats")
        assert stats["contacts"] == 1


async def test_contacts_are_streamed_in_the_order_of_their_ids(client):
    async with MockServer(settings()) as server:
        for start in range(0, 2500, 100):
            await upsert(client, server, *many(100, start))
        _, found = await call(client, server, "GET", "objects/contacts")
        ids = [int(contact["id"]) for contact in found]
        assert ids == sorted(ids)
        assert len(set(ids)) == 2500


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_served_process_prints_one_line_and_stops_cleanly(client, number):
    code = (
        "from uploader.mockserver.server import serve; from uploader.mockserver.settings import MockSettings;"
        "serve(MockSettings(), port=0)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    line = (await process.stdout.readline()).decode()
    url = line.split()[-1]
    assert url.startswith("http://127.0.0.1:")
    async with client.get(f"{url}/_mock/stats") as reply:
        assert (await reply.json())["requests"] == 0
    process.send_signal(number)
    rest, errors = await process.communicate()
    assert (process.returncode, rest, errors) == (0, b"", b"")


def test_the_fixture_serves_synchronous_clients(hubspot_mock):
    first, second = hubspot_mock(), hubspot_mock(scenario=fault("status", status=503))
    assert first.url != second.url
    first.reset([{"properties": {"email": "a@x.com"}}])
    assert [contact["properties"]["email"] for contact in first.contacts()] == ["a@x.com"]
    first.change_quota("5/10")
    first.change_scenario({})
    assert (first.stats()["quota"], first.log(), second.stats()["requests"]) == ("5/10", [], 0)


def test_the_plugin_imports_nothing_heavy():
    import subprocess  # noqa: PLC0415 - only here

    code = "import sys, uploader.mockserver.pytest_plugin; sys.exit('aiohttp' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_the_official_client_has_nothing_to_complain_about(hubspot_mock):
    mock = hubspot_mock()
    configuration = contacts.Configuration(host=mock.url)
    configuration.access_token = "any"
    batches = contacts.BatchApi(contacts.ApiClient(configuration))

    def put(*inputs):
        return batches.upsert(contacts.BatchInputSimplePublicObjectBatchInputUpsert(inputs=list(inputs)))

    created = put(one("A@x.com", firstname="Ann"), one("b@x.com"))
    assert (created.status, {result.new for result in created.results}) == ("COMPLETE", {True})
    partial = put(*traced("a@x.com", "x@y.badtld"))
    assert (len(partial.results), partial.results[0].new) == (1, False)
    assert (partial.num_errors, partial.errors[0].category) == (1, "VALIDATION_ERROR")
    assert partial.errors[0].context == {"objectWriteTraceId": ["t1"]}
    asked = contacts.BatchReadInputSimplePublicObjectId(
        id_property="email", properties=["firstname"], properties_with_history=[], inputs=[{"id": "a@x.com"}]
    )
    (found,) = batches.read(asked).results
    assert found.properties["firstname"] == "Ann"
    configuration = properties.Configuration(host=mock.url)
    configuration.access_token = "any"
    listed = properties.CoreApi(properties.ApiClient(configuration)).get_all("contacts").results
    names = {one_.name for one_ in listed}
    assert {"email", "external_id"} <= names
    assert mock.stats()["by_status"] == {"200": 3, "207": 1}
    assert mock.stats()["by_endpoint"]["upsert"] == 2


async def test_a_reset_in_the_middle_keeps_in_flight_right(client):
    async with MockServer(settings(fault("delay", seconds=2))) as server:
        waiting = asyncio.create_task(upsert(client, server, one("a@x.com")))
        await until(lambda: server.simulator.statistics.in_flight == 1)
        await call(client, server, "POST", "reset")
        assert server.simulator.stats()["in_flight"] == 1
        await waiting
        await until(lambda: server.simulator.statistics.in_flight == 0)


def test_the_official_client_s_other_endpoints_have_nothing_to_complain_about(hubspot_mock):
    """It knows v3 alone: the dated paths are checked against the schemas of the specifications only."""
    mock = hubspot_mock()

    def api(package, name):
        configuration = package.Configuration(host=mock.url)
        configuration.access_token = "any"
        return getattr(package, name)(package.ApiClient(configuration))

    for package, kind in ((companies, "companies"), (deals, "deals"), (tickets, "tickets")):
        batches = api(package, "BatchApi")
        made = batches.upsert(
            package.BatchInputSimplePublicObjectBatchInputUpsert(
                inputs=[one("E1", id_property="external_id", trace="1", tier="gold")]
            )
        )
        asked = package.BatchReadInputSimplePublicObjectId(
            id_property="external_id",
            properties=["tier"],
            properties_with_history=["tier"],
            inputs=[{"id": "E1"}],
        )
        (found,) = batches.read(asked).results
        assert found.properties["tier"] == "gold"
        assert found.properties_with_history["tier"][0].source_type == "INTEGRATION"
        batches.archive(package.BatchInputSimplePublicObjectId(inputs=[{"id": made.results[0].id}]))
        assert batches.read(asked, archived=True).results[0].archived
        assert mock.objects(kind)[0]["archived"]
    generic = api(objects, "BatchApi")
    car = one("C1", id_property="external_id", model="Beetle")
    generic.upsert("p_cars", objects.BatchInputSimplePublicObjectBatchInputUpsert(inputs=[car]))
    assert mock.objects("2-123456")[0]["properties"]["model"] == "Beetle"
    pages = api(owners, "OwnersApi")
    first = pages.get_page(limit=2)
    rest = pages.get_page(limit=100, after=first.paging.next.after)
    assert len(first.results) + len(rest.results) == 7
    assert {owner.archived for owner in pages.get_page(archived=True).results} == {True}
    listed = api(properties, "CoreApi").get_all("companies").results
    assert {p.name for p in listed if p.referenced_object_type == "OWNER"} == {
        "hubspot_owner_id",
        "account_manager",
    }
