"""A last line without a line break: before it a stream ends with an error, and of a file it is reported."""

import bz2
import gzip
import io
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from uploader.errors import CutOffError, SourceError
from uploader.model.rows import Unreadable
from uploader.sources.bytes.lines import LINE_BYTES
from uploader.sources.open import open_source

HEADER = "email,firstname,city\n"
GOOD = HEADER + "a@x.com,Ann,Bonn\n"


def read(data, **options):
    """Keys of the rows that a stream gives, and the error it ends with."""
    data = data.encode() if isinstance(data, str) else data
    source = open_source("-", stdin=io.BytesIO(data), refuses_unfinished=True, **options)
    keys, error = [], None
    try:
        for part in source.slices():
            keys += [None if isinstance(row.content, Unreadable) else key(row.content) for row in part.rows]
    except SourceError as raised:
        error = raised
    return keys, error


def key(content):
    return content["email"] if isinstance(content, dict) else content[0]


@pytest.mark.parametrize(
    "last",
    [
        "b@x.com,Bob,Lond",
        "b@x.com,Bob",
        "b@x.com,Bob,",
        "b@x.com",
        "b",
        'b@x.com,Bob,"Lon',
        'b@x.com,Bob,"Lon\ndon',
        "b@x.com,Bob,Lond ",
    ],
)
def test_a_stream_stops_before_a_row_that_may_be_cut_off(last):
    keys, error = read(GOOD + last)
    assert keys == ["a@x.com"]
    assert isinstance(error, CutOffError)
    assert "--accept-unfinished-last-line" in str(error)
    assert "x.com" not in str(error)
    source = open_source("-", stdin=io.BytesIO((GOOD + last).encode()))
    assert sum(len(part.rows) for part in source.slices()) >= 2  # accepted


@pytest.mark.parametrize(
    "last",
    ["b@x.com,Bob,London\n", "b@x.com,Bob,London\r\n", "b@x.com,Bob,London\r", "b@x.com,Bob,London\n \t"],
)
def test_a_stream_that_ends_with_a_line_break_is_read_to_its_end(last):
    keys, error = read(GOOD + last)
    assert (keys, error) == (["a@x.com", "b@x.com"], None)


def test_lines_that_end_with_a_lone_carriage_return_are_judged_alike():
    text = (GOOD + "b@x.com,Bob,London\n").replace("\n", "\r")
    assert read(text) == (["a@x.com", "b@x.com"], None)
    keys, error = read(text[:-3])
    assert keys == ["a@x.com"]
    assert isinstance(error, CutOffError)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-8-sig"])
def test_an_encoded_stream_is_judged_by_its_text(encoding):
    options = {"encoding": encoding} if encoding == "cp1252" else {}
    text = GOOD + "b@x.com,Zoë,London\n"
    assert read(text.encode(encoding), **options) == (["a@x.com", "b@x.com"], None)
    for cut in (1, 2, 3):
        keys, error = read(text.encode(encoding)[:-cut], **options)
        assert keys == ["a@x.com"]
        assert isinstance(error, CutOffError)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_content_that_was_cut_off_before_it_was_packed_is_judged_alike(pack):
    keys, error = read(pack((GOOD + "b@x.com,Bob,Lond").encode()))
    assert keys == ["a@x.com"]
    assert isinstance(error, CutOffError)
    keys, error = read(pack((GOOD + "b@x.com,Bob,London\n").encode() * 50)[:-3])
    assert not isinstance(error, CutOffError)  # the archive itself tells
    assert "ends in the middle" in str(error)


@pytest.mark.parametrize(
    ("last", "stops"),
    [
        ('{"email":"b@x.com"}', False),
        (' {"email":"b@x.com"} ', False),
        ('{"email":"b@x.c', True),
        ('{"email":"b@x.com"', True),
        ("{", True),
    ],
)
def test_an_object_that_is_whole_needs_no_line_break(last, stops):
    keys, error = read('{"email":"a@x.com"}\n' + last)
    assert keys == (["a@x.com"] if stops else ["a@x.com", "b@x.com"])
    assert isinstance(error, CutOffError) is stops


def test_a_stream_with_nothing_but_a_header_is_refused_as_before():
    for text in (HEADER.strip(), HEADER):
        with pytest.raises(SourceError, match="a header and no rows"):
            read(text)
    keys, error = read(HEADER + "b@x.com,Bob,Lond")
    assert keys == []
    assert isinstance(error, CutOffError)


def test_a_last_line_that_is_endless_is_not_kept():
    keys, error = read(GOOD + "x" * (3 * LINE_BYTES))
    assert keys[0] == "a@x.com"
    assert isinstance(error, CutOffError)


@given(
    st.lists(
        st.sampled_from(["a@x.com,Ann,Bonn\n", 'b@x.com,"B\nB",Ulm\n', '"c,Cid,"\n', 'd@x.com,"\n', "\n"]),
        max_size=12,
    ),
    st.data(),
)
def test_a_stream_that_was_cut_anywhere_goes_on_with_the_whole_of_it(lines, data):
    """The rows before the cut, and then those from the mark on, are those of the whole stream."""
    text = (GOOD + "".join(lines)).encode()
    cut = data.draw(st.integers(len(GOOD) + 1, len(text)) if lines else st.just(len(text)))
    whole = [row for part in open_source("-", stdin=io.BytesIO(text)).slices() for row in part.rows]
    before, mark = [], None
    source = open_source("-", stdin=io.BytesIO(text[:cut]), refuses_unfinished=True)
    try:
        for part in source.slices():
            before += part.rows
            mark = part.end
    except CutOffError:
        assert not text[:cut].endswith(b"\n")
    else:
        return  # the cut is at the end of a line: nothing tells
    again = open_source("-", stdin=io.BytesIO(text), refuses_unfinished=True)
    after = [row for part in again.slices(mark) for row in part.rows]
    numbers = [row.number for row in before + after]
    assert all(a < b for a, b in pairwise(numbers))
    assert [(row.number, row.content) for row in before + after] == [
        (row.number, row.content) for row in whole
    ]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_of_a_file_it_is_reported_and_the_row_is_read(tmp_path, pack, encoding):
    path = tmp_path / "a.csv"
    for end, is_reported in (
        ("b@x.com,Bob,Lond", True),
        ("b@x.com,Bob,London\n", False),
        ("b@x.com,Bob,London\r\n", False),
    ):
        path.write_bytes(pack((GOOD + end).encode(encoding)))
        source = open_source(str(path), refuses_unfinished=True)
        if (pack, encoding) == (bytes, "utf-8"):
            assert bool(source.notices) is is_reported  # before it is read
        assert sum(len(part.rows) for part in source.slices()) == 2
        assert [f"{path}: the last line has no line break" in one for one in source.notices] == [
            True
        ] * is_reported


def test_of_a_file_of_objects_it_is_reported_where_the_last_is_none(tmp_path):
    path = tmp_path / "a.ndjson"
    for end, is_reported in (('{"email":"b@x.com"}', False), ('{"email":"b@x.com"', True)):
        path.write_text('{"email":"a@x.com"}\n' + end)
        assert bool(open_source(str(path)).notices) is is_reported
