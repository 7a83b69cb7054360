"""JSON arrays: an element is a row, and what is damaged costs its row or ends the source."""

import contextlib
import io

import msgspec
import pytest
from hypothesis import given, strategies as st

from support.source_files import rows_before_an_error
from uploader.errors import SourceError
from uploader.model.rows import Unreadable
from uploader.sources.bytes.byte_source import BLOCK_BYTES
from uploader.sources.formats import json_rows as json_rows_module
from uploader.sources.open import open_source


def json_rows(data, **options):
    data = data.encode() if isinstance(data, str) else data
    return rows_before_an_error(open_source("-", stdin=io.BytesIO(data), **options))


@pytest.mark.parametrize(
    ("data", "good", "says"),
    [
        ('[{"a":"1"},{"a":"2"},]', 2, "after a comma"),
        ('[{"a":"1"},,{"a":"2"}]', 1, "after a comma"),
        ('[{"a":"1"} {"a":"2"}]', 1, "a comma is expected"),
        ('[{"a":"1"},{"a":"2"', 1, "ends in the middle"),
        ('[{"a":"1"},{"a":"2', 1, "ends in the middle"),
        ('[{"a":"1"},', 1, "the array is not closed"),
        ('[{"a":"1"}', 1, "the array is not closed"),
        ('[{"a":"1"},{"a":[1}]', 1, "has no opening counterpart"),
        ('[{"a":"1"}] [{"a":"2"}]', 1, "after the array"),
        ('[{"a":"1"}]x', 1, "after the array"),
        ('{"results":[{"a":"1"}]', 1, "is not closed"),
        ('{"results":[{"a":"1"}],\n"more":[ {"a":"2"}]}', 1, "second array"),
    ],
)
def test_a_broken_array_gives_what_is_before_the_damage(data, good, says):
    rows, error = json_rows(data)
    assert [row.content for row in rows] == [{"a": str(i + 1)} for i in range(good)]
    assert says in error
    assert "invalid JSON at byte" in error


@pytest.mark.parametrize(
    "data",
    ['[{"a":"1"}, {"a":"2"} k"a":"3"}, {"a":"4"}]', '[{"a":"1"},{"a":"2"}{"a":"3"}]', '[{"a":"1"},,{}]'],
)
def test_a_broken_array_is_broken_as_well_when_a_job_goes_on(tmp_path, data):
    """The same command, given again, must not read on behind the damage."""
    path = tmp_path / "a.json"
    path.write_text(data)
    source = open_source(str(path))
    slices = source.slices()
    before = next(slices)
    with pytest.raises(SourceError, match="invalid JSON at byte") as first:
        next(slices)
    with pytest.raises(SourceError) as again:
        next(source.slices(before.end))
    assert str(again.value) == str(first.value)


@pytest.mark.parametrize("opens", ["[", '{"":'])
def test_an_array_that_only_opens_is_broken(opens):
    rows, error = json_rows('[{"a":"1"},{"a":' + opens * 100_000 + "}]")
    assert [row.content for row in rows] == [{"a": "1"}]
    assert "invalid JSON at byte" in error


@pytest.mark.parametrize("block_bytes", range(1, 9))
def test_a_second_array_is_seen_wherever_blocks_end(block_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uploader.sources.bytes.byte_source.BLOCK_BYTES", block_bytes)
        _, error = json_rows('{"results":[{"a":"1"}],"more":[  {"a":"2"}]}')
    assert "second array" in error


@pytest.mark.parametrize(
    "element",
    [
        '{"a":nope}',
        '{"a":1,}',
        "{'a':1}",
        "12",
        '"}{]["',
        "null",
        "[1,[2,{}]]",
        '{"a":"\\ud800"}',
        '{"a":"x","a":"y"}',
        '{"a":NaN}',
        '{"a":"\x01"}',
        '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a":"' + "\\" * 2 * 600_000 + '"}',
        b'{"a":"\xff"}',
    ],
    ids=lambda element: str(element)[:12],
)
def test_a_bad_element_costs_its_row_only(element):
    element = element.encode() if isinstance(element, str) else element
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uploader.sources.bytes.byte_source.BLOCK_BYTES", 1000)
        rows, error = json_rows(b'[{"a":"1"},\n ' + element + b' ,{"a":"}]\\""}]')
    assert error == ""
    assert [row.number for row in rows] == [1, 2, 3]
    assert rows[0].content == {"a": "1"}
    assert isinstance(rows[1].content, Unreadable)
    assert rows[2].content == {"a": '}]"'}


class CountingDecoder:
    """`_ELEMENTS`, counting the bytes that it is given and the elements that it finds."""

    def __init__(self):
        self.given = self.found = 0

    def decode(self, data):
        self.given += len(data)
        raws = msgspec.json.Decoder(list[msgspec.Raw]).decode(data)
        self.found += len(raws)
        return raws


NESTED = ',"lists":[{"id":"1"},{"id":"2"},{"id":"3"},{"id":"4"},{"id":"5"}]'


@pytest.mark.parametrize("inner", ["", NESTED], ids=["flat", "with inner objects"])
@pytest.mark.parametrize(
    ("is_bad", "count"),
    [
        (lambda _: False, 0),
        (lambda _: True, 4000),
        (lambda i: i % 400 == 50, 10),
        (lambda i: i == 2000, 1),
        (lambda i: i == 3999, 1),
    ],
    ids=["no row", "every row", "some rows", "one row", "the last row"],
)
def test_a_bad_element_costs_a_few_others_their_speed_at_most(monkeypatch, is_bad, count, inner):
    rows = [
        f'{{"email":"p{i}@example.com","city":"{"x" * 150}","n":{"NaN" if is_bad(i) else i}{inner}}}'
        for i in range(4000)
    ]
    data = "[" + ",\n".join(rows) + "]"
    decoder = CountingDecoder()
    monkeypatch.setattr(json_rows_module, "_ELEMENTS", decoder)
    read, error = json_rows(data)
    assert (error, [row.raw.decode() for row in read]) == ("", rows)
    assert decoder.given <= 4 * len(data)
    singly = len(rows) - decoder.found
    if not inner:  # else a stretch may seem to end where an inner object does
        assert singly <= 50 * count + len(data) // BLOCK_BYTES + 1


@given(
    st.lists(
        st.sampled_from(
            [
                "{}",
                '{"a":{"b":{}}}',
                '{"a":[{},[[{}]]]}',
                '{"a":NaN}',
                "12",
                "null",
                '"}\\\\"',
                '{"a":"x\\"y]"}',
            ]
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_elements_are_the_same_wherever_blocks_and_stretches_end(elements, block_bytes, stretch_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uploader.sources.bytes.byte_source.BLOCK_BYTES", block_bytes)
        patch.setattr(json_rows_module, "_STRETCH_BYTES", stretch_bytes)
        rows, error = json_rows('[{"a":1},' + " ,\n".join([*elements, "{}"]) + "]", format="json")
    assert (error, [row.raw.decode() for row in rows]) == ("", ['{"a":1}', *elements, "{}"])


def test_a_value_of_a_megabyte_is_read_and_more_is_not():
    for size, is_good in ((1_000_000, True), (1_100_000, False), (9_000_000, False)):
        rows, error = json_rows('[{"a":"' + "x" * size + '"},{"a":"1"}]')
        assert (len(rows), error) == (2, "")
        assert isinstance(rows[0].content, dict) is is_good
        assert len(rows[0].raw) <= 1024 * 1024 + 1


def test_what_looks_like_an_array_and_is_none():
    for data, says in (
        ("[]", "is empty"),
        ('{"results": []}', "is empty"),
        ("[a],b\n1,2", "use --format csv"),
        ('{\n  "email": "a"\n}\n', "over several lines"),
    ):
        with pytest.raises(SourceError, match=says):
            json_rows(data)


def test_a_row_of_ndjson_may_have_an_array_of_objects():
    source = open_source("-", stdin=io.BytesIO(b'{"email":"a@b.de","phones":[{"n":1}]}\n'))
    assert source.shape.format == "ndjson"
    source = open_source("-", stdin=io.BytesIO(b'{"results":[{"n":1}]}\n{"results":[{"n":1}]}\n'))
    assert source.shape.format == "ndjson"
    assert open_source("-", stdin=io.BytesIO(b'{"results":[{"n":1}]}\n')).shape.format == "json"


@given(st.binary(max_size=200), st.sampled_from([b"[", b'{"results":[', b'[{"a":1},', b""]))
def test_any_bytes_are_rows_or_a_source_error(data, before):
    for kind in ("json", None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("uploader.sources.bytes.byte_source.BLOCK_BYTES", 7)
            with contextlib.suppress(SourceError):
                json_rows(before + data, format=kind)
