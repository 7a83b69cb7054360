"""NDJSON: a line is a row, numbers keep their spelling, and nothing is guessed."""

import io
import json

import pytest
from hypothesis import given, strategies as st

from uploader.errors import SourceError
from uploader.model.rows import Unreadable
from uploader.sources.bytes.lines import LINE_BYTES
from uploader.sources.formats.cell_text import spell_number
from uploader.sources.open import open_source, read_row_again


def source_of(data: bytes | str):
    data = data.encode() if isinstance(data, str) else data
    return open_source("-", stdin=io.BytesIO(data), format="ndjson")


def rows_of(data: bytes | str):
    return [row for part in source_of(data).slices() for row in part.rows]


def content_of(line: bytes | str):
    """Of one line, between two good ones that must not suffer."""
    line = line.encode() if isinstance(line, str) else line
    rows = rows_of(b'{"a":"1"}\n' + line + b'\n{"a":"2"}')
    assert [row.content for row in rows[::2]] == [{"a": "1"}, {"a": "2"}]
    assert [row.number for row in rows] == [1, 2, 3]
    assert rows[1].raw == line
    return rows[1].content


NUMBERS = st.one_of(
    st.integers(-(10**25), 10**25).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(
        ["0", "-0", "1.10", "1e400", "-1E+2", "9007199254740993", "18446744073709551616", "0.10e-5"]
    ),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ['":', ": ", '\\":', "-0"]
)


@st.composite
def values(draw, depth=3):
    """A JSON text and the value it should be read as."""
    kind = draw(
        st.sampled_from(
            ["text", "number", "number", "word", "list", "fields"] if depth else ["text", "number"]
        )
    )
    if kind == "number":
        return (number := draw(NUMBERS)), spell_number(number)
    if kind == "text":
        text = draw(TEXTS)
        return json.dumps(text, ensure_ascii=draw(st.booleans())), text
    if kind == "word":
        return draw(st.sampled_from([("true", True), ("false", False), ("null", None)]))
    if kind == "list":
        items = draw(st.lists(values(depth=depth - 1), max_size=3))
        return f"[{','.join(text for text, _ in items)}]", [value for _, value in items]
    return draw(objects(depth=depth - 1))


@st.composite
def objects(draw, depth=3):
    fields = draw(st.dictionaries(TEXTS, values(depth=depth), max_size=4))
    space = draw(st.sampled_from(["", " ", "\t"]))
    pairs = [f"{json.dumps(name)}{space}:{space}{text}" for name, (text, _) in fields.items()]
    return f"{{{','.join(pairs)}}}", {name: value for name, (_, value) in fields.items()}


@given(objects())
def test_any_object_is_read_exactly(case):
    text, value = case
    got = content_of(text)
    assert json.dumps(got) == json.dumps(value)  # so that True and "1" and 1 differ
    assert read_row_again(source_of('{"a":1}').shape, text.encode()) == got


@given(objects(depth=1), st.sampled_from(['"x":1', '"x" : "a"', '"x": {"y": null}']), st.booleans())
def test_a_field_that_appears_twice_is_unreadable(case, field, nested):
    inner = case[0][1:-1]
    text = "{" + ",".join(part for part in (field, inner, field) if part) + "}"
    got = content_of(f'{{"properties":{text}}}' if nested else text)
    assert got == Unreadable("the field 'x' appears twice")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"a":', "not valid JSON"),
        ('{"a":1}}', "not valid JSON"),
        ("{'a':1}", "not valid JSON"),
        ("nonsense", "not valid JSON"),
        ('{"a":01}', "not valid JSON"),
        ("[1]", "and is an array"),
        ('"a"', "and is a string"),
        ("12", "and is a number"),
        ("true", "and is true or false"),
        ("null", "and is null"),
        ('{"a":NaN}', "NaN is not JSON"),
        ('{"a":-Infinity}', "-Infinity is not JSON"),
        ('{"a":"\\ud800"}', "surrogate"),
        ('{"\\udc00":"a"}', "surrogate"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "UTF-8"),
        ('{"a":' + "[" * 40 + "]" * 40 + "}", "levels deep"),
        ('{"b":1.5,"a":' + "[" * 40 + "]" * 40 + "}", "levels deep"),
        ('{"b":1.5,"a":' + "[" * 1000 + "]" * 1000 + "}", "levels deep"),
        ('{"a":' + "[" * 200_000 + "]" * 200_000 + "}", "depth"),
    ],
)
def test_unreadable_lines(line, says):
    got = content_of(line)
    assert isinstance(got, Unreadable)
    assert says in got.reason
    raw = line.encode() if isinstance(line, str) else line
    assert read_row_again(source_of('{"a":1}').shape, raw) == got


def test_an_overlong_line_is_one_row():
    got = content_of('{"a":"' + "x" * (LINE_BYTES - 8) + '"}')
    assert isinstance(got, dict)
    rows = rows_of('{"a":1}\n{"a":"' + "x" * LINE_BYTES + '"}\n{"a":2}')
    assert [isinstance(row.content, Unreadable) for row in rows] == [False, True, False]


def test_blank_lines_line_ends_and_marks_of_order():
    for data in ('\ufeff{"a":"1"}\n\n  \n{"a":"2"}', '\n\n\n{"a":"2"}\r\n', '\r\r\r{"a":"2"}\r'):
        assert (rows_of(data)[-1].number, rows_of(data)[-1].content) == (4, {"a": "2"})
    source = source_of('\ufeff{"a":"1"}\n')
    (part,) = source.slices()
    assert (part.start.offset, part.end.offset, part.end.line) == (3, 13, 2)


def test_the_format_is_seen_in_the_first_byte():
    for data in ('  \n{"a": broken\n{"a":1}\n', '\ufeff{"a":1}'):
        assert open_source("-", stdin=io.BytesIO(data.encode())).shape.format == "ndjson"
    assert open_source("-", stdin=io.BytesIO(b'[{"a":1}]')).shape.format == "json"
    assert open_source("-", stdin=io.BytesIO(b"[a],b\n1,2"), format="csv").shape.columns == ("[a]", "b")


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_any_lines_are_rows_or_blank(lines):
    data = b'{"a":1}\n{"b":"' + "é".encode() * 9 + b'"}\n'
    body = b"\n".join(line.replace(b"\r", b"").replace(b"\0", b"") for line in lines)
    try:
        rows = rows_of(data + body)
    except SourceError:
        return  # most of its lines are of another encoding
    assert [row.raw for row in rows[2:]] == [line for line in body.split(b"\n") if line.strip()]
