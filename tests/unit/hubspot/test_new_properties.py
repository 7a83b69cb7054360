"""Definitions as requests, and replies about them."""

import orjson
import pytest

from support.builders import reply
from uploader.hubspot.new_properties import Created, Definition, decode_count, encode_definitions

BOOL = Definition(name="vip", label="VIP", type="bool", field_type="booleancheckbox", group="g")


def test_a_bool_gets_the_two_options_that_hubspot_asks_for():
    [sent] = orjson.loads(encode_definitions([BOOL]))["inputs"]
    options = [(option["value"], option["displayOrder"]) for option in sent["options"]]
    assert options == [("true", 1), ("false", 2)]
    assert (sent["name"], sent["fieldType"], sent["groupName"], sent["hasUniqueValue"]) == (
        "vip",
        "booleancheckbox",
        "g",
        False,
    )


def error(category="VALIDATION_ERROR", **context):
    return {"status": "error", "category": category, "message": "no  good", "context": context}


def test_what_a_batch_has_made_and_not_is_told_apart_by_name():
    errors = [
        error("OBJECT_ALREADY_EXISTS", name=["b"]),
        error(name=["c", "d"]),
        error(),
        "junk",
        {"context": 7},
    ]
    created = Created.decode(reply(207, results=[{"name": "a"}, {"name": 7}, "x"], errors=errors))
    assert created == Created(frozenset("a"), frozenset("b"), {"c": "no good", "d": "no good"}, "no good")


@pytest.mark.parametrize("body", [{}, {"results": 7, "errors": 7}, {"results": [None], "errors": [[]]}])
def test_any_body_can_be_decoded(body):
    assert Created.decode(reply(201, body=body)) == Created(frozenset(), frozenset(), {})


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({"total": 0}, 0),
        ({"total": 7}, 7),
        ({"total": "7"}, None),
        ({"total": True}, None),
        ({"total": -1}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_count_is_a_number_or_not_known(body, count):
    assert decode_count(body) == count
