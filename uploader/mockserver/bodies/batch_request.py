"""Reads the body of a batch request, or answers as HubSpot why it cannot be read. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from uploader.mockserver.account.properties import normalise
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.error_bodies import Answer

MAX_INPUTS = 100
MAX_INPUTS_WITH_HISTORY = 50
TYPE_NAMES = {dict: "Object", list: "Array", str: "String", bool: "Boolean", int: "Integer", float: "Float"}


class Input(NamedTuple):
    """One input of an upsert or update."""

    key: str
    id_property: str  #: "" means that the key is a record id
    properties: dict[str, str | None]
    trace_id: str | None


def read_object(body: bytes) -> dict[str, Any] | Answer:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return error_bodies.invalid_json(error.msg, error.lineno, error.colno)
    return document if isinstance(document, dict) else wrong_type("BatchInput", document)


def read_upsert(body: bytes) -> list[Input] | Answer:
    """The inputs of an upsert or update. Without the `inputs` key there are none, and no error."""
    document = read_object(body)
    if isinstance(document, Answer):
        return document
    raw = read_list(document, "inputs")
    if isinstance(raw, Answer):
        return raw
    read: list[Input] = []
    for item in raw:
        one = _read_input(item)
        if isinstance(one, Answer):
            return one
        read.append(one)
    # Counted last: a body that cannot be read is never counted.
    return error_bodies.too_many_inputs(MAX_INPUTS) if len(read) > MAX_INPUTS else read


def read_create(body: bytes) -> list[Input] | Answer:
    """The inputs of a batch that creates records. They have no id: faults find them by what names them."""
    document = read_object(body)
    raw = document if isinstance(document, Answer) else read_list(document, "inputs")
    if isinstance(raw, Answer):
        return raw
    read: list[Input] = []
    for item in raw:
        one = _read_input({"id": "", **item} if isinstance(item, dict) else item)
        if isinstance(one, Answer):
            return one
        named = (one.properties.get(name) for name in ("email", "domain", "name"))
        read.append(one._replace(key=next(filter(None, named), ""), id_property=""))
    return error_bodies.too_many_inputs(MAX_INPUTS) if len(read) > MAX_INPUTS else read


def read_list(document: dict[str, Any], name: str) -> list[Any] | Answer:
    found = document.get(name)
    if found is None:
        return []
    return found if isinstance(found, list) else wrong_type("java.util.ArrayList", found)


def read_ids(raw: Sequence[Any], limit: int) -> list[str] | Answer:
    """The ids in the `inputs` of batch/read or batch/archive."""
    ids: list[str] = []
    for item in raw:
        if not isinstance(item, dict):
            return wrong_type("BatchInput", item)
        if item.get("id") is None:
            return error_bodies.missing_fields(["id"])
        if not isinstance(item["id"], str):
            return wrong_type("java.lang.String", item["id"])
        ids.append(item["id"])
    if len(ids) > limit:
        return error_bodies.too_many_inputs(limit, with_history=limit == MAX_INPUTS_WITH_HISTORY)
    return ids


def asked_for(body: bytes, limit: int = MAX_INPUTS) -> list[str]:
    """The keys that a batch/read requests; none if the body cannot be read."""
    document = read_object(body)
    raw = [] if isinstance(document, Answer) else read_list(document, "inputs")
    ids = raw if isinstance(raw, Answer) else read_ids(raw, limit)
    return [] if isinstance(ids, Answer) else ids


def find_duplicates(inputs: Sequence[Input], *, normalised: bool) -> list[str]:
    keys = [normalise(one.key) if normalised else one.key for one in inputs]
    if len(set(keys)) == len(keys):
        return []
    return [key for key, count in Counter(keys).items() if count > 1]


def _read_input(item: object) -> Input | Answer:
    if not isinstance(item, dict):
        return wrong_type("BatchInput", item)
    key, properties, trace_id = item.get("id"), item.get("properties"), item.get("objectWriteTraceId")
    id_property = item.get("idProperty")
    if key is None or properties is None:
        return error_bodies.missing_fields([name for name in ("id", "properties") if item.get(name) is None])
    for text in (key, id_property, trace_id):
        if text is not None and type(text) is not str:
            return wrong_type("java.lang.String", text)
    if not isinstance(properties, dict):
        return wrong_type("java.util.LinkedHashMap", properties)
    for name, value in properties.items():
        if type(value) is not str and value is not None:
            if isinstance(value, dict | list):
                return wrong_type("java.lang.String", value)
            # The schema says strings; in practice numbers and booleans are accepted.
            properties[name] = orjson.dumps(value).decode()
    return Input(key, id_property or "", properties, trace_id)


def wrong_type(wanted: str, value: object) -> Answer:
    found = TYPE_NAMES.get(type(value), "null")
    return error_bodies.invalid_json(f"Cannot deserialize value of type `{wanted}` from {found} value")
