"""Sends requests to a `Simulator` without sockets. Tests of the mock server build all requests here."""

import orjson

from uploader.mockserver.faults.scenario import Scenario
from uploader.mockserver.quota import Quota
from uploader.mockserver.request_and_reply import Request
from uploader.mockserver.settings import MockSettings
from uploader.mockserver.simulator import Simulator

UPSERT = "/crm/v3/objects/contacts/batch/upsert"
READ = "/crm/v3/objects/contacts/batch/read"
ARCHIVE = "/crm/v3/objects/contacts/batch/archive"


class MockClient:
    def __init__(self, document=None, *, quota=None, daily_quota=1_000_000, latency_seconds=0.0, seed=0):
        settings = MockSettings(
            quota=quota,
            daily_quota=daily_quota,
            latency_seconds=latency_seconds,
            scenario=Scenario.parse(document or {}),
            seed=seed,
        )
        self.simulator = Simulator(settings)
        self.now = 0.0

    def send(self, method, path, body=b"", *, token="any", query=None, headers=None):
        asked = Request(
            method=method,
            path=path,
            query=query or {},
            headers={"authorization": f"Bearer {token}", **(headers or {})} if token else headers or {},
            body=body if isinstance(body, bytes) else orjson.dumps(body),
        )
        reply = self.simulator.handle(asked, self.now)
        self.simulator.ended()
        return reply

    def get(self, path, **rest):
        return self.send("GET", path, **rest)

    def upsert(self, *inputs, path=UPSERT, **rest):
        return self.send("POST", path, {"inputs": list(inputs)}, **rest)

    def read(self, *ids, id_property="email", properties=(), history=(), **rest):
        body = {
            "idProperty": id_property,
            "properties": list(properties),
            "propertiesWithHistory": list(history),
            "inputs": [{"id": one} for one in ids],
        }
        return self.send("POST", READ, body, **rest)

    def seed(self, *contacts):
        self.simulator.reset(self.now, contacts)

    @property
    def stored(self):
        """The properties of each live contact, by its first address."""
        live = (one for one in self.simulator.objects(self.now) if not one["archived"])
        return {one["properties"].get("email"): one["properties"] for one in live}


def one(key, /, id_property="email", trace=None, **properties):
    made = {"id": key, "idProperty": id_property, "properties": properties}
    return made if trace is None else {**made, "objectWriteTraceId": trace}


def traced(*keys, **properties):
    return [one(key, trace=f"t{place}", **properties) for place, key in enumerate(keys)]


def many(count, start=0):
    return [one(f"c{n}@x.com", trace=str(n), firstname=f"N{n}") for n in range(start, start + count)]


def quota(requests, seconds=10.0):
    return Quota(requests, seconds)


def fault(kind, **keys):
    return {"faults": [{"kind": kind, **keys}]}
