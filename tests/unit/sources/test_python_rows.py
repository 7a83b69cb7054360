"""Rows that a program hands over: how odd values are spelled, and where its code runs."""

import asyncio
import contextvars
import enum
import json
import math
import threading
import uuid
from collections import OrderedDict, UserDict
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import orjson
import pytest
from hypothesis import given, strategies as st

from support.inline_thread import Inline
from uploader.errors import SourceError
from uploader.model.rows import Unreadable
from uploader.sources.formats.ndjson_rows import NdjsonRows
from uploader.sources.open import open_program_rows, read_row_again
from uploader.sources.python_rows import ProgramRowReader, ProgramRows, encode_row
from uploader.sources.source import Shape
from uploader.system.blocking_calls import Background


def read(row):
    """What a source gives of one row."""
    line = encode_row(row)
    assert b"\n" not in line
    return ProgramRowReader().content(line)


def value(given_value):
    return read({"a": given_value})["a"]


class Colour(enum.Enum):
    RED = "red"


class Word(str, enum.Enum):  # noqa: UP042  # as older code has it
    ONE = "one"


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


@pytest.mark.parametrize(
    ("raw", "spelled"),
    [
        ("text", "text"),
        (Text("text"), "text"),
        (Word.ONE, "one"),
        (Colour.RED, "red"),
        (None, None),
        (True, True),
        (7, "7"),
        (-(10**30), "-" + "1" + "0" * 30),
        (1.5, "1.5"),
        (5.0, "5"),
        (1e300, "1e+300"),
        (1e22, "10000000000000000000000"),
        (1e-7, "0.0000001"),
        (np.float32(0.1), "0.1"),
        (np.array(["a", "b"]), ["a", "b"]),
        (Decimal("1.10"), "1.10"),
        (Decimal("12.00"), "12"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E+1000000"), "1e+1000000"),
        (date(2024, 2, 29), "2024-02-29"),
        (time(7, 5), "07:05:00"),
        (datetime.fromisoformat("2024-01-02T03:04:05.600000"), "2024-01-02T03:04:05.6"),
        (datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), "2024-01-02T01:00:00Z"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (["a", 2], ["a", "2"]),
        ({"b": 2.5}, {"b": "2.5"}),
    ],
)
def test_a_value_is_spelled_as_files_have_it(raw, spelled):
    found = value(raw)
    assert (type(found), found) == (type(spelled), spelled)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (math.nan, "NaN"),
        (-math.inf, "infinity"),
        (Decimal("sNaN"), "NaN"),
        (Decimal("-Infinity"), "infinity"),
        (b"bytes", "of type bytes"),
        ({1, 2}, "of type set"),
        (object(), "of type object"),
        ("\ud800", "surrogate"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "outside the calendar"),
        pytest.param(10**5000, "more digits", id="a long number"),
        ([1, math.nan], "NaN"),
    ],
)
def test_a_value_that_is_none_spoils_only_itself(raw, text):
    found = read({"a": raw, "b": "well"})
    assert found["b"] == "well"
    assert isinstance(found["a"], Unreadable)
    assert text in found["a"].reason


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("a@example.com", "of type str"),
        (("email", "a@example.com"), "of type tuple"),
        (None, "of type NoneType"),
        ({1: "a"}, "name of type int"),
        ({None: "a"}, "name of type NoneType"),
        ({"\udfff": "a"}, "name"),
    ],
)
def test_a_row_that_is_none_says_why(row, text):
    assert text in read(row).reason


def test_mappings_of_all_kinds_are_rows():
    class FromADatabase:
        def keys(self):
            return ["a"]

        def __getitem__(self, name):
            return {"a": 1.5}[name]

    for row in (OrderedDict(a=1.5), UserDict(a=1.5), FromADatabase()):
        assert read(row) == {"a": "1.5"}


def test_a_row_too_deep_is_one_invalid_row():
    deep: dict[str, object] = {}
    for _ in range(100):
        deep = {"a": deep, "b": 1.5}
    assert "nested" in read(deep).reason
    round_ = {}
    round_["a"] = [round_]
    assert "nested" in read(round_).reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals() | st.floats() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.one_of(st.dictionaries(st.text(), JSON, max_size=5), JSON))
def test_any_row_is_one_line_and_never_an_error(row):
    line = encode_row(row)
    assert b"\n" not in line
    content = ProgramRowReader().content(line)
    assert isinstance(content, Unreadable) is not isinstance(row, dict)
    # What a dead letter keeps of it can be written out again.
    again = read_row_again(Shape("rows"), line)
    assert isinstance(again, Unreadable) or orjson.dumps(again)


PLAIN = st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), PLAIN, max_size=5))
def test_plain_rows_are_read_as_the_same_rows_of_an_ndjson_file(row):
    assert read(row) == NdjsonRows().content(json.dumps(row).encode())


# --- the stream ---


def rows_of(source):
    return [(row.number, row.content) for one in source.slices() for row in one.rows]


async def read_all(rows, name: str = "crm"):
    """As a run does: opened and read in the reader's thread, ended on the loop."""
    reader = Background("reader")
    stream = ProgramRows(rows, name)
    try:
        return await reader.run(lambda: rows_of(open_program_rows(stream)))
    finally:
        await stream.end(reader)
        reader.finish()


async def slowly(count: int, seen: list[object] | None = None):
    try:
        for number in range(count):
            if number % 700 == 0:
                await asyncio.sleep(0)
            yield {"n": number}
    finally:
        if seen is not None:
            seen.append(asyncio.current_task())


@pytest.mark.parametrize("count", [0, 1, 499, 500, 20_000])
async def test_an_async_iterable_gives_the_same_rows_as_a_plain_one(count):
    plain = await read_all([{"n": number} for number in range(count)])
    assert await read_all(slowly(count)) == plain
    assert plain == [(number + 1, {"n": str(number)}) for number in range(count)]


async def test_marks_lead_to_the_same_rows_however_the_chunks_fell():
    rows = [{"n": number, "pad": "x" * (number % 700)} for number in range(3_000)]
    source = open_program_rows(ProgramRows(rows, "crm"))
    marks = [one.end for one in source.slices()]
    for mark in marks[:-1]:
        again = open_program_rows(ProgramRows(iter(rows), "crm"))
        first = next(again.slices(mark)).rows[0]
        assert first.number == mark.line
        assert first.content["n"] == str(mark.line - 1)
    other = open_program_rows(
        ProgramRows([{**row, "n": 0} if row["n"] == 1_900 else row for row in rows], "crm")
    )
    assert other.fingerprint == source.fingerprint
    with pytest.raises(SourceError, match="bytes differ"):
        next(other.slices(marks[-2]))


async def test_a_row_that_is_longer_than_any_is_one_invalid_row():
    found = await read_all([{"a": "x"}, {"a": "y" * 3_000_000}, {"a": "z"}])
    assert [number for number, _ in found] == [1, 2, 3]
    assert "longer than" in found[1][1].reason
    assert found[2][1] == {"a": "z"}


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_iterable_that_raises_gives_its_rows_first(is_async):
    def plain():
        yield from ({"n": number} for number in range(9_000))
        raise LookupError("a@example.com")

    async def awaited():
        for row in plain():
            yield row

    reader = Background("reader")
    stream = ProgramRows(awaited() if is_async else plain(), "crm")
    slices = (await reader.run(lambda: open_program_rows(stream))).slices()
    seen = 0
    with pytest.raises(SourceError, match="raised LookupError after its row 9,000") as refused:  # noqa: PT012
        while True:
            seen += len((await reader.run(lambda: next(slices))).rows)
    assert seen == 9_000
    assert "example.com" not in str(refused.value)
    assert isinstance(stream.error, LookupError)
    await stream.end(reader)
    reader.finish()


async def test_a_plain_iterable_lives_in_one_thread_and_its_callers_context():
    name = contextvars.ContextVar("name", default="nobody's")
    name.set("the caller's")
    seen = set()

    def rows():
        try:
            for number in range(30_000):
                seen.add((threading.current_thread().name, name.get()))
                yield {"n": number}
        finally:
            seen.add((threading.current_thread().name, name.get()))

    reader = Background("the reader")
    stream = ProgramRows(rows(), "crm")
    await reader.run(lambda: open_program_rows(stream))
    assert len(seen) == 1
    await stream.end(reader)
    assert seen == {("the reader", "the caller's")}
    reader.finish()


async def test_an_async_iterable_lives_in_one_task_and_its_callers_context():
    name = contextvars.ContextVar("name", default="nobody's")
    name.set("the caller's")
    seen, closed = set(), []

    async def rows():
        # A time limit belongs to the task that set it.
        async with asyncio.timeout(60):
            async for row in slowly(50_000, closed):
                seen.add((asyncio.current_task(), name.get()))
                yield row

    reader = Background("reader")
    stream = ProgramRows(rows(), "crm")
    await reader.run(lambda: open_program_rows(stream))
    await stream.end(reader)
    assert len(seen) == 1
    assert {context for _, context in seen} == {"the caller's"}
    reader.finish()


async def test_an_async_iterable_is_not_asked_far_ahead():
    asked = 0

    async def rows():
        nonlocal asked
        while True:
            asked += 1
            yield {"n": asked, "pad": "x" * 200}
            await asyncio.sleep(0)

    reader = Background("reader")
    stream = ProgramRows(rows(), "crm")
    await reader.run(lambda: open_program_rows(stream))
    for _ in range(5_000):
        await asyncio.sleep(0)
    assert asked < 2_500
    await stream.end(reader)
    reader.finish()


async def test_a_reader_that_waits_for_rows_is_let_go():
    """By the loop, of an async iterable; a plain one that blocks is closed once it returns."""
    reader = Background("reader")

    is_asked = asyncio.Event()

    async def never():
        is_asked.set()
        await asyncio.Event().wait()
        yield {}

    stream = ProgramRows(never(), "crm")
    opening = asyncio.ensure_future(reader.run(lambda: open_program_rows(stream)))
    await is_asked.wait()
    await stream.end(reader)
    with pytest.raises(SourceError, match="the job ended"):
        await opening
    assert stream.error is None

    may_go, is_closed = threading.Event(), threading.Event()

    def blocks():
        try:
            may_go.wait(30)
            yield {}
        finally:
            is_closed.set()

    stream = ProgramRows(blocks(), "crm")
    opening = asyncio.ensure_future(reader.run(lambda: open_program_rows(stream)))
    while not stream._is_asking:  # noqa: ASYNC110  # set in a thread
        await asyncio.sleep(0.001)
    await stream.end(reader)
    assert not is_closed.is_set()
    may_go.set()
    with pytest.raises(SourceError, match="the job ended"):
        await opening
    assert is_closed.wait(10)
    reader.finish()


async def test_what_closing_raises_is_not_lost():
    def rows():
        try:
            while True:
                yield {"n": 1}
        finally:
            raise LookupError

    stream = ProgramRows(rows(), "crm")
    open_program_rows(stream)
    await stream.end(Inline())
    assert isinstance(stream.error, LookupError)


@pytest.mark.parametrize(
    ("raw", "spelled"),
    [
        (np.int64(7), "7"),
        (np.float64(1.5), "1.5"),
        (np.str_("text"), "text"),
        (np.bool_(True), True),
        (np.datetime64("2024-02-29"), "2024-02-29"),
        (np.datetime64("2024-02-29T01:02:03", "s"), "2024-02-29 01:02:03"),
        (np.datetime64("2024-02-29T01:02:03.5", "ns"), "2024-02-29 01:02:03.5"),
    ],
)
def test_scalars_of_numpy_are_spelled_as_what_they_are(raw, spelled):
    assert value(raw) == value(spelled) or str(value(raw)).replace("T", " ") == spelled


@pytest.mark.parametrize(
    "raw",
    [
        np.timedelta64(5, "ns"),
        np.timedelta64(5, "s"),
        np.datetime64("NaT", "D"),
        np.datetime64("NaT", "ns"),
        np.float64("nan"),
        np.longdouble("1.5"),
        np.datetime64(10**18, "us"),
    ],
)
def test_scalars_of_numpy_that_are_no_value_make_the_row_unreadable_there(raw):
    assert isinstance(value(raw), Unreadable)


class _Outcome(BaseException):
    """As test frameworks raise, and libraries that cancel in their own way."""


def test_whatever_an_async_iterable_raises_is_no_end_of_its_rows():
    async def rows():
        yield {"email": "a@x.com"}
        raise _Outcome

    async def main():
        handed = ProgramRows(rows(), "rows")

        def read_all():
            while handed.read():
                pass

        with pytest.raises(SourceError, match="_Outcome after its row 1"):
            await asyncio.to_thread(read_all)

    asyncio.run(main())
