"""A pytest fixture for anyone who tests code against HubSpot's contact endpoints.

    def test_sync_contacts(hubspot_mock):
        hubspot = hubspot_mock()                                  # quota 190/10, no latency
        my_sync(base_url=hubspot.url, token="any")
        assert hubspot.contacts()[0]["properties"]["email"] == "a@x.com"

    def test_survives_an_outage(hubspot_mock):
        hubspot = hubspot_mock(scenario={"faults": [{"kind": "status", "status": 503, "first": 2}]})

`hubspot_mock(*, quota="190/10", daily_quota=..., latency_seconds=0, scenario={}, seed=0)` starts a server in
a thread of its own, so clients may be synchronous; all of them stop when the test ends. A scenario is what a
scenario file holds (see `uploader.mockserver.faults.scenario`). pytest loads this module in every session, so
it imports nothing large.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from uploader.mockserver.settings import MockSettings


class RunningMock:
    """A mock server in a thread: its address, and calls to inspect and change its account."""

    def __init__(self, settings: MockSettings) -> None:
        import asyncio  # noqa: PLC0415 - see the module's docstring
        from threading import Thread  # noqa: PLC0415

        from uploader.mockserver.server import MockServer  # noqa: PLC0415

        self._loop = asyncio.new_event_loop()
        self._server = MockServer(settings)
        self._thread = Thread(target=self._loop.run_forever, name="hubspot-mock", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result()
        self.url = self._server.url

    def stop(self) -> None:
        import asyncio  # noqa: PLC0415

        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._call("GET", "stats"))
        return found

    def contacts(self) -> list[dict[str, Any]]:
        return self.objects("contacts")

    def objects(self, object_type: str) -> list[dict[str, Any]]:
        """All records of a type, archived ones too."""
        return [json.loads(line) for line in self._call("GET", f"objects/{object_type}").splitlines()]

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._call("GET", "log").splitlines()]

    def links(self) -> list[dict[str, Any]]:
        """All associations, each once."""
        return [json.loads(line) for line in self._call("GET", "links").splitlines()]

    def lists(self) -> list[dict[str, Any]]:
        """All lists with their members, deleted ones too."""
        return [json.loads(line) for line in self._call("GET", "lists").splitlines()]

    def reset(
        self,
        contacts: Sequence[Mapping[str, Any]] = (),
        objects: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        links: Sequence[Mapping[str, Any]] = (),
        lists: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Start a new account with these records, links and lists; see `uploader.mockserver.control`."""
        document = {
            "contacts": list(contacts),
            "objects": objects or {},
            "links": list(links),
            "lists": list(lists),
        }
        self._call("POST", "reset", document)

    def change_links(
        self, add: Sequence[Mapping[str, Any]] = (), remove: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Associate records, and end associations, as another user would."""
        self._call("POST", "links", {"add": list(add), "remove": list(remove)})

    def change_records(
        self,
        update: Sequence[Mapping[str, Any]] = (),
        archive: Sequence[str | Mapping[str, str]] = (),
        associate: Sequence[Mapping[str, Any]] = (),
        *,
        object_type: str = "contacts",
    ) -> None:
        """Update, archive and associate records as another user would. Contacts are named by their address,
        all by their id or a unique value, such as `{"id": "7"}`.
        """
        orders = {"update": list(update), "archive": list(archive), "associate": list(associate)}
        self._call("POST", f"objects/{object_type}", orders)

    meddle = change_records  #: the former name

    def change_scenario(self, scenario: Mapping[str, Any]) -> None:
        self._call("POST", "scenario", scenario)

    def change_quota(self, quota: str) -> None:
        self._call("POST", "quota", {"quota": quota})

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        # Our own loopback address: the scheme is known.
        request = Request(f"{self.url}/_mock/{path}", data, method=method)  # noqa: S310
        with urlopen(request) as answer:  # noqa: S310
            read: bytes = answer.read()
            return read


@pytest.fixture
def hubspot_mock() -> Iterator[Callable[..., RunningMock]]:
    """A factory of running mock servers; each call starts one."""
    running: list[RunningMock] = []

    def start(
        *,
        quota: str = "190/10",
        daily_quota: int | None = None,
        latency_seconds: float = 0.0,
        scenario: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> RunningMock:
        from uploader.mockserver.faults.scenario import Scenario  # noqa: PLC0415
        from uploader.mockserver.quota import parse_quota  # noqa: PLC0415
        from uploader.mockserver.settings import DEFAULT_DAILY_QUOTA, MockSettings  # noqa: PLC0415

        settings = MockSettings(
            quota=parse_quota(quota),
            daily_quota=DEFAULT_DAILY_QUOTA if daily_quota is None else daily_quota,
            latency_seconds=latency_seconds,
            scenario=Scenario.parse(scenario or {}),
            seed=seed,
        )
        running.append(RunningMock(settings))
        return running[-1]

    yield start
    for mock in running:
        mock.stop()
