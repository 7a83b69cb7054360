"""Requests to HubSpot: the paths of each API version, and the bodies of requests.

In    properties and keys as text.
Out   paths, and bytes to send.
From  https://developers.hubspot.com/docs/api-reference/error-handling and the official OpenAPI schemas
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import lru_cache

import msgspec
import orjson

from uploader.hubspot.object_types import is_searched
from uploader.model.records import DOMAIN, OWN_ID, Properties, Record, by_own_id

#: The documented cap of inputs in one batch (a 101st is answered 400).
MAX_INPUTS = 100
#: The same of a read that asks for property histories (undocumented; a 51st is answered 400).
MAX_INPUTS_WITH_HISTORY = 50
#: The same of values in a search; the records of a page, and of all pages.
MAX_SEARCHED, MAX_FOUND, MAX_FOUND_IN_ALL = 100, 200, 10_000
#: The characters of a search's body. The search guide has that cap; the official schema gives it for `query`
#: alone, so that of the body is an assumption. It costs a few more searches if it is wrong.
MAX_SEARCH_BYTES = 3_000
#: For `Call.shown`: read all properties of a batch reply's results.
ALL_PROPERTIES = "*"


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of one API version; `{}` stands for the object type."""

    upsert: str
    update: str
    create: str
    read: str
    archive: str
    search: str
    associations: str  #: `{to}` stands for the type of the associated objects
    associate: str
    dissociate: str  #: ends links altogether
    end_labels: str  #: ends labels of links
    properties: str
    owners: str
    lists: str
    pipelines: str
    limits: str
    account: str
    usage: str
    refresh: str
    # the same in all versions
    token_info: str = "/oauth/v2/private-apps/get/access-token-info"  # noqa: S105
    association_labels: str = "/crm/associations/v4/{}/{to}/labels"
    searched: str = ""  #: the property by which records are found by search: no path


_TABLES: Mapping[str, Paths] = {
    "v3": Paths(
        upsert="/crm/v3/objects/{}/batch/upsert",
        update="/crm/v3/objects/{}/batch/update",
        create="/crm/v3/objects/{}/batch/create",
        read="/crm/v3/objects/{}/batch/read",
        archive="/crm/v3/objects/{}/batch/archive",
        search="/crm/v3/objects/{}/search",
        associations="/crm/v4/associations/{}/{to}/batch/read",
        associate="/crm/v4/associations/{}/{to}/batch/create",
        dissociate="/crm/v4/associations/{}/{to}/batch/archive",
        end_labels="/crm/v4/associations/{}/{to}/batch/labels/archive",
        properties="/crm/v3/properties/{}",
        owners="/crm/v3/owners",
        lists="/crm/v3/lists",
        pipelines="/crm/v3/pipelines/{}",
        limits="/crm/v3/limits/records",
        account="/account-info/v3/details",
        usage="/account-info/v3/api-usage/daily/private-apps",
        refresh="/oauth/v3/token",
    ),
    "2026-03": Paths(
        upsert="/crm/objects/2026-03/{}/batch/upsert",
        update="/crm/objects/2026-03/{}/batch/update",
        create="/crm/objects/2026-03/{}/batch/create",
        read="/crm/objects/2026-03/{}/batch/read",
        archive="/crm/objects/2026-03/{}/batch/archive",
        search="/crm/objects/2026-03/{}/search",
        associations="/crm/associations/2026-03/{}/{to}/batch/read",
        associate="/crm/associations/2026-03/{}/{to}/batch/create",
        dissociate="/crm/associations/2026-03/{}/{to}/batch/archive",
        end_labels="/crm/associations/2026-03/{}/{to}/batch/labels/archive",
        properties="/crm/properties/2026-03/{}",
        owners="/crm/owners/2026-03",
        lists="/crm/lists/2026-03",
        pipelines="/crm/pipelines/2026-03/{}",
        limits="/crm/limits/2026-03/records",
        account="/account-info/2026-03/details",
        usage="/account-info/2026-03/api-usage/daily/private-apps",
        refresh="/oauth/2026-03/token",
    ),
    # Its batches answer 200 alone, with the errors in that body: `decode` reads them from any 2xx.
    "2026-09": Paths(
        upsert="/crm/objects/2026-09/{}/batch/upsert",
        update="/crm/objects/2026-09/{}/batch/update",
        create="/crm/objects/2026-09/{}/batch/create",
        read="/crm/objects/2026-09/{}/batch/read",
        archive="/crm/objects/2026-09/{}/batch/archive",
        search="/crm/objects/2026-09/{}/search",
        associations="/crm/associations/2026-09/{}/{to}/batch/read",
        associate="/crm/associations/2026-09/{}/{to}/batch/create",
        dissociate="/crm/associations/2026-09/{}/{to}/batch/archive",
        end_labels="/crm/associations/2026-09/{}/{to}/batch/labels/archive",
        properties="/crm/properties/2026-09/{}",
        owners="/crm/owners/2026-09",
        lists="/crm/lists/2026-09",
        pipelines="/crm/pipelines/2026-09/{}",
        limits="/crm/limits/2026-09/records",
        account="/account-info/2026-09/details",
        usage="/account-info/2026-09/api-usage/daily/private-apps",
        refresh="/oauth/2026-09/token",
    ),
}
VERSIONS = tuple(_TABLES)


@lru_cache(8)
def paths(version: str, object_type: str) -> Paths:
    """The paths of an API version for one object type, given by name or id as in `Settings`."""
    found = Paths(*(path.replace("{}", object_type) for path in astuple(_TABLES[version])))
    return replace(found, searched=DOMAIN if is_searched(object_type, DOMAIN) else "")


class _Input(msgspec.Struct, gc=False):
    """One input of batch/upsert.

    The key is not repeated inside `properties`: `email` there would overwrite the primary address of a
    contact that was matched by a secondary one.
    """

    idProperty: str  # noqa: N815
    id: str
    objectWriteTraceId: str  # noqa: N815
    properties: Properties


class _Update(msgspec.Struct, gc=False):
    """One input of batch/update: an existing record, by HubSpot's own id."""

    id: str
    objectWriteTraceId: str  # noqa: N815
    properties: Properties


class _New(msgspec.Struct, gc=False):
    """One input of batch/create."""

    objectWriteTraceId: str  # noqa: N815
    properties: Properties
    associations: tuple[()] = ()  # the schema requires it


_ENCODER = msgspec.json.Encoder()


def encode_batch(records: Sequence[Record]) -> bytes:
    """The body of batch/upsert."""
    inputs = [_Input(one.id_property, one.key, str(one.position), one.properties) for one in records]
    return _ENCODER.encode({"inputs": inputs})


def encode_updates(records: Sequence[Record]) -> bytes:
    """The body of batch/update, for records whose keys are HubSpot's own ids."""
    inputs = [_Update(one.key, str(one.position), one.properties) for one in records]
    return _ENCODER.encode({"inputs": inputs})


def encode_creations(records: Sequence[Record]) -> bytes:
    """The body of batch/create, which makes a record of each, whether there is one or not."""
    inputs = [_New(str(one.position), {one.id_property: one.key, **sent_properties(one)}) for one in records]
    return _ENCODER.encode({"inputs": inputs})


def is_created(paths: Paths, record: Record) -> bool:
    """Whether a record is sent by batch/create: no search has found one of its key."""
    return record.id_property == paths.searched and not record.contact_id


def request_of(paths: Paths, record: Record) -> tuple[str, bool]:
    """Return what records have in common that one request can write."""
    return record.id_property, is_created(paths, record)


def write_request(paths: Paths, records: Sequence[Record]) -> tuple[str, bytes]:
    """The path and the body of the request that writes records of one id property, with or without an id."""
    first = records[0]
    if is_created(paths, first):
        return paths.create, encode_creations(records)
    if first.id_property == paths.searched:
        records = list(map(by_own_id, records))
    if records[0].id_property == OWN_ID:
        return paths.update, encode_updates(records)
    return paths.upsert, encode_batch(records)


def encode_ids(ids: Sequence[str]) -> bytes:
    """The body of batch/archive, and of a batch read of associations."""
    return orjson.dumps({"inputs": [{"id": one} for one in ids]})


def encode_pages(pages: Sequence[tuple[str, str]]) -> bytes:
    """The body of a batch read of associations: records, and what names the page of each."""
    return orjson.dumps({"inputs": [{"id": one, "after": after} for one, after in pages]})


def encode_read(
    id_property: str, keys: Sequence[str], properties: Sequence[str], history: Sequence[str] = ()
) -> bytes:
    """The body of batch/read.

    `id_property` "" or OWN_ID: the keys are HubSpot's own ids. `history`: properties to read with all
    their versions.
    """
    body: dict[str, object] = {
        "properties": list(properties),
        "propertiesWithHistory": list(history),
        "inputs": [{"id": key} for key in keys],
    }
    return orjson.dumps(body if id_property in {"", OWN_ID} else {"idProperty": id_property, **body})


def encode_search(name: str, values: Sequence[str], after: str = "") -> bytes:
    """The body of a search for the records that have one of these values of a property, whatever their case.

    `values`: in small letters, others find nothing. `after`: the place of the page, as the page before names
    it.
    """
    among = {"propertyName": name, "operator": "IN", "values": list(values)}
    groups = [{"filters": [among]}]
    page = {"limit": MAX_FOUND, "after": after or "0"}
    return orjson.dumps({"filterGroups": groups, "properties": [name], "sorts": [], **page})


def encode_token_info(token: str) -> bytes:
    """The body of a request for a private app token's info."""
    return orjson.dumps({"tokenKey": token})


def sent_properties(record: Record) -> dict[str, str]:
    """The properties that a record's request asks HubSpot to store."""
    properties: dict[str, str] = msgspec.to_builtins(record.properties)
    return properties
