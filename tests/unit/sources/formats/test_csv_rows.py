"""CSV: every line of a file ends up in exactly one row, or is blank, and a stray quote costs one line."""

import contextlib
import csv
import io
from itertools import pairwise

import pytest
from hypothesis import assume, example, given, strategies as st

from uploader.errors import SourceError
from uploader.model.rows import Mark, Row, Unreadable
from uploader.sources.bytes.lines import KEPT_BYTES, LINE_BYTES, Lines
from uploader.sources.formats.csv_layout import Layout
from uploader.sources.formats.csv_quotes import CONTINUATION_LINES, Reach, reach_of_row
from uploader.sources.formats.csv_rows import CsvRows
from uploader.sources.open import open_source, read_row_again

HEADER = "email,first,last,note\n"


def source_of(data: bytes | str, **options):
    data = data.encode() if isinstance(data, str) else data
    return open_source("-", stdin=io.BytesIO(data), **options)


def rows_of(data: bytes | str, **options) -> list[Row]:
    return [row for part in source_of(data, **options).slices() for row in part.rows]


def contents_of(data: bytes | str, **options):
    return [row.content for row in rows_of(data, **options)]


def reason_of(row: Row) -> str:
    assert isinstance(row.content, Unreadable)
    return row.content.reason


def good(count: int, first: int = 0) -> str:
    return "".join(f"u{i}@x.com,First{i},Last{i},note {i}\n" for i in range(first, first + count))


# Rows as csv.writer writes them

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["", '"', '""', "a,b", "two\nlines", "\r\n", "\r", 'say "hi"', '5" pipe', "\n", " ", "ü", "\ufeff"]
)


@st.composite
def written(draw):
    """A file as `csv.writer` writes it: its bytes, its rows, and the line each row begins on."""
    width = draw(st.integers(2, 6))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    delimiter = draw(st.sampled_from(",;\t|"))
    quoting = draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    # Before Python 3.13 a lone carriage return is not quoted by QUOTE_MINIMAL, which is no CSV.
    if quoting == csv.QUOTE_MINIMAL:
        rows = [[cell.replace("\r", "\n") for cell in row] for row in rows]
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow([f"h{i}" for i in range(width)])
    numbers = []
    for row in rows:
        numbers.append(file.getvalue().count("\n") + 1)
        writer.writerow(row)
    bom = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return bom + file.getvalue().encode(), delimiter, rows, numbers


@given(written(), st.sampled_from([2, 7, 100, 10_000]))
def test_what_csv_writer_wrote_is_read_back(case, block_bytes):
    data, delimiter, rows, numbers = case
    # A cell whose last line looks like a row by its marker columns is refused by design.
    cells = [cell for row in rows for cell in row]
    may_be_marked = any(character == "@" or character.isdecimal() for cell in cells for character in cell)
    assume(
        not (may_be_marked and any(delimiter in cell.rpartition("\n")[2] for cell in cells if "\n" in cell))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uploader.sources.bytes.byte_source.BLOCK_BYTES", block_bytes)
        got = rows_of(data, delimiter=delimiter)
    assert [row.content for row in got] == rows
    assert [row.number for row in got] == numbers


def test_delimiters_inside_the_lines_of_a_note_are_no_rows():
    note = "Dear Ann,\nthanks, see you, soon\n, ,\nBest, Bob"
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["email", "note", "x"], *([f"u{i}@x.com", note, "y"] for i in range(900))])
    assert contents_of(file.getvalue()) == [[f"u{i}@x.com", note, "y"] for i in range(900)]


# Restarting

PIECES = st.sampled_from(
    [
        '"',
        ",",
        "\n",
        "\r\n",
        "\r",
        "a",
        "b@c",
        "1",
        "\xff",
        '"a,b"',
        '""',
        " ",
        "é",
        '"x\ny"',
        "a,b\n",
        "\\\n",
        ",,",
        "\t",
    ]
)


@contextlib.contextmanager
def small(slice_rows, block_bytes, line_bytes):
    """All limits so low that short files run into them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uploader.sources.formats.lines_to_rows.SLICE_ROWS", slice_rows)
        patch.setattr("uploader.sources.bytes.byte_source.BLOCK_BYTES", block_bytes)
        patch.setattr("uploader.sources.bytes.lines.LINE_BYTES", line_bytes)
        patch.setattr("uploader.sources.bytes.lines.KEPT_BYTES", line_bytes + 1)
        patch.setattr("uploader.sources.formats.csv_rows.LINE_BYTES", line_bytes)
        patch.setattr("uploader.sources.formats.csv_quotes.LINE_BYTES", line_bytes)
        patch.setattr("uploader.sources.formats.csv_quotes.CONTINUATION_LINES", 4)
        yield


@given(st.lists(PIECES, max_size=60), st.integers(1, 4), st.integers(3, 20), st.integers(20, 200))
@example(['"', "a,b\n", "b@c", '"', "\n"], 1, 3, 20)
def test_reading_from_any_mark_gives_the_same_rows(pieces, slice_rows, block_bytes, line_bytes):
    data = ("e,f\n" + "".join(pieces)).encode("utf-8").replace("ÿ".encode(), b"\xff")
    with small(slice_rows, block_bytes, line_bytes), contextlib.suppress(SourceError):
        slices = list(source_of(data, format="csv").slices())
        for before, after in pairwise(slices):
            assert before.end == after.start
        assert slices[-1].end.offset == len(data)
        rows = [row for part in slices for row in part.rows]
        for part in slices:
            rest = [row for row in rows if row.number >= part.start.line]
            again = source_of(data, format="csv").slices(part.start)
            assert [row for part in again for row in part.rows] == rest


@given(st.lists(PIECES, max_size=60), st.integers(3, 20))
def test_blocks_and_slices_change_no_row(pieces, block_bytes):
    data = ("e,f\n" + "".join(pieces)).encode("utf-8").replace("ÿ".encode(), b"\xff")
    with contextlib.suppress(SourceError):
        with small(10**9, 1000, 1500):
            whole = rows_of(data, format="csv")
        with small(1, block_bytes, 1500):
            assert rows_of(data, format="csv") == whole


@given(st.lists(PIECES, max_size=60))
def test_rows_and_blank_lines_cover_the_file(pieces):
    """And every row's bytes, read alone, give what the row gave."""
    body = "".join(pieces).encode("utf-8").replace("ÿ".encode(), b"\xff")
    try:
        source = source_of(b"e,f\n" + body, format="csv", delimiter=",")
        rows = [row for part in source.slices() for row in part.rows]
    except SourceError:
        return
    position = 0
    for row in rows:
        found = body.index(row.raw, position)
        assert not body[position:found].strip()
        position = found + len(row.raw)
        again = read_row_again(source.shape, row.raw)
        shown_by_others = ("ends in the middle", "not sent", "ends with a backslash")
        assert again == row.content or any(why in reason_of(row) for why in shown_by_others)
    assert not body[position:].strip()


@given(st.binary(max_size=300), st.sampled_from(["csv", "ndjson", None]))
def test_any_bytes_are_rows_or_a_source_error(data, kind):
    with contextlib.suppress(SourceError):
        assert rows_of(data, format=kind)


@given(st.binary(max_size=300))
def test_any_bytes_behind_a_header_are_covered(data):
    body = data + b"\n"
    try:
        source = source_of(HEADER.encode() + good(2).encode() + body, format="csv", delimiter=",")
    except SourceError:
        return
    rows = [row for part in source.slices() for row in part.rows][2:]
    assert b"".join(row.raw for row in rows).translate(None, b"\r\n \t\f\v") == data.translate(
        None, b"\r\n \t\f\v"
    )


# Stray quotes


@given(st.data())
def test_a_stray_quote_costs_one_line(data):
    """Whole lines, some with quoted cells, none with a quoted line break; a quote anywhere among them."""
    cell = st.sampled_from(["Ann", "Smith", "", "a b", "Ann, Bob", 'say "hi"', "7"])
    rows = data.draw(st.lists(st.tuples(cell, cell, cell), min_size=6, max_size=40))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n", quoting=data.draw(st.sampled_from([0, 1])))
    writer.writerow(["email", "first", "last", "note"])
    for number, row in enumerate(rows):
        writer.writerow([f"u{number}@x.com", *row])
    text = file.getvalue()
    place = data.draw(st.integers(text.index("\n") + 1, len(text) - 1))
    hit = text[:place].count("\n") - 1
    got = rows_of(text[:place] + '"' + text[place:], delimiter=",")
    expected = [[f"u{number}@x.com", *row] for number, row in enumerate(rows)]
    assert [row.number for row in got] == list(range(2, len(rows) + 2))
    for number, row in enumerate(got):
        assert number == hit or row.content == expected[number]


@pytest.mark.parametrize("apart", [1, 2, 3, 150, 250, 700])
def test_two_stray_quotes_in_the_same_column_take_no_rows_between(apart):
    lines = good(1000).splitlines()
    lines[100] = 'u100@x.com,"First100,Last100,note 100'
    lines[100 + apart] = f'u{100 + apart}@x.com,First{apart}",Last,note'
    rows = rows_of(HEADER + "\n".join(lines) + "\n")
    assert len(rows) == 1000
    assert "not closed" in reason_of(rows[100])
    assert [n for n, row in enumerate(rows) if isinstance(row.content, Unreadable)] == [100]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("Hello, please add", "thanks, Ann, x"),  # with the cells beside it, as wide as the header
        ("Hello, please add", "mail me@y.com, Bob, x"),
        ("Hello, please add", ",Y,"),
        ("Hello", "thanks, Ann, x, y"),
    ],
)
def test_a_row_inside_of_a_cell_that_is_closed_properly_proves_nothing(first, last):
    column = 3 - first.count(",")
    row = ["ann@x.com", "Ann", "Lee", "ok"]
    row[column] = f"{first}\n{PASTED}\n{last}"
    line = ",".join([*row[:column], f'"{row[column]}"', *row[column + 1 :]])
    assert contents_of(HEADER + good(5) + line + "\n" + good(5))[5] == row


def test_without_marker_columns_the_lines_of_a_cell_prove_nothing():
    note = "two, three\nseven, eight, nine, ten\neleven, twelve, x"
    rows = contents_of(
        f'name,domain,note,city\nA,a.com,n,c\nB,b.com,n,c\nC,c.com,"{note}",Rome\nD,d.com,n,c\n'
    )
    assert rows[2] == ["C", "c.com", note, "Rome"]
    assert len(rows) == 4


def test_a_list_with_numbers_in_a_note_is_not_sent_in_parts():
    """It may be two stray quotes, too; digits prove less than an address."""
    before = "".join(f"{at},Ann,note,Rome\n" for at in range(5))
    note = "To buy, soon\n1, two, three, four\n2, five, six"
    rows = rows_of(f'id,first,note,city\n{before}7,Ann,"{note}",Rome\n{before}')
    assert [row.number for row in rows if isinstance(row.content, Unreadable)] == [7, 8, 9]


def test_a_row_of_two_lines_that_are_rows_each_is_two_rows():
    rows = rows_of(HEADER + good(3) + 'z@x.com,"Z,Z,n\ny@x.com,Y",Y,n\n')
    assert [row.number for row in rows] == [2, 3, 4, 5, 6]
    assert "not closed" in reason_of(rows[3])


def test_a_stray_quote_in_a_line_of_just_the_limit():
    rows = rows_of(HEADER + good(1) + 'a,b,c,"' + "x" * (LINE_BYTES - 7) + "\n" + good(1))
    assert [isinstance(row.content, Unreadable) for row in rows] == [False, True, False]


def test_a_stray_quote_in_the_last_column_or_the_last_line():
    rows = rows_of(HEADER + good(3) + 'z@x.com,Z,Z,"oh\n' + good(3) + 'y@x.com,"Y,Y,y')
    assert [isinstance(row.content, Unreadable) for row in rows] == [False] * 3 + [True] + [False] * 3 + [
        True
    ]
    assert rows[3].raw == b'z@x.com,Z,Z,"oh'


def test_one_column_of_addresses_survives_stray_quotes():
    rows = rows_of('email\na@x.com\nc@x.com\nd@x.com\n"e@x.com\nf@x.com\ng@x.com"\nh@x.com\n')
    assert len(rows) == 7
    assert "not closed" in reason_of(rows[3])
    assert rows[5].content == ['g@x.com"']


def test_digits_tell_rows_where_there_is_no_address():
    data = "id,name\n" + "".join(f"{i},N{i}\n" for i in range(20))
    note = '20,"Dear Ann,\nthanks, bye\nBob"\n'
    rows = rows_of(data + note + '21,"stray\n22,b\n23,c"\n24,d\n')
    assert rows[20].content == ["20", "Dear Ann,\nthanks, bye\nBob"]
    assert [row.number for row in rows[21:]] == [25, 26, 27, 28]
    assert "not closed" in reason_of(rows[21])


def test_a_quoted_cell_of_too_many_lines_is_stray():
    for lines, count in ((CONTINUATION_LINES, 2), (CONTINUATION_LINES + 1, CONTINUATION_LINES + 3)):
        rows = rows_of(HEADER + 'a@x.com,"' + "word\n" * lines + 'end",b,c\n' + good(1))
        assert len(rows) == count


def test_no_more_lines_are_wanted_than_a_row_may_have():
    """A program that writes them slowly would be waited for."""
    lines = b'a@x.com,"one\n' + b"two\n" * CONTINUATION_LINES
    blocks = Lines(iter([lines]), Mark(), b"\n", decode=True)
    block = blocks.next()
    assert reach_of_row(block, 0, Layout(",", 4)) == Reach(doubtful=CONTINUATION_LINES)


def test_a_quoted_cell_may_follow_half_a_line_break():
    """As in a file whose lines end with a line feed and a carriage return."""
    data = HEADER + '\r"one\n\rtwo",b,c,d\n\re,f,g,h\n\r'
    assert contents_of(data) == [["one\n\rtwo", "b", "c", "d"], ["e", "f", "g", "h"]]


def test_a_quote_inside_an_unquoted_cell_is_text():
    assert contents_of(HEADER + 'a@x.com,5" pipe,6",x\n') == [["a@x.com", '5" pipe', '6"', "x"]]


def test_text_behind_a_closing_quote_costs_its_line_only():
    rows = rows_of(HEADER + '"John "Johnny" Smith",x,y,z\n' + good(2))
    assert "follows a closing quote" in reason_of(rows[0])
    assert len(rows) == 3


def test_a_broken_byte_in_a_quoted_cell_costs_the_row_and_not_its_neighbours():
    rows = rows_of(HEADER.encode() + b'a@x.com,"one\ntwo \xff\nthree",x,y\n' + good(2).encode())
    assert [row.number for row in rows] == [2, 5, 6]
    assert "UTF-8" in reason_of(rows[0])
    assert rows[0].raw.endswith(b'three",x,y')


# Notes

PASTED = "bob@y.com,Bob,Stone,hello"
WORDS = st.sampled_from(
    ["Dear Ann,", "thanks, bye", "", "hi", "a,b,c", "see c@z.com", PASTED, "1,2,3,4", "- x;"]
)


@st.composite
def noted(draw):
    """Good rows, one with a note of several lines in any column but the key's, and the cells of that row."""
    note = draw(st.lists(WORDS, min_size=2, max_size=8))
    row = ["a@x.com", "Ann", "Lee", "ok"]
    column = draw(st.sampled_from([1, 2, 3]))
    row[column] = "\n".join(note)
    file = io.StringIO()
    csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_MINIMAL).writerow(row)
    return good(5), file.getvalue(), good(30, 5), row


def keys_of(rows):
    return [row.content[0] for row in rows if not isinstance(row.content, Unreadable)]


REAL = {f"u{i}@x.com" for i in range(35)} | {"a@x.com"}


@given(noted())
def test_no_line_of_a_note_becomes_a_row(case):
    """A note that is closed is read as it is, or none of its lines is sent."""
    before, row, after, cells = case
    rows = rows_of(HEADER + before + row + after, delimiter=",")
    assert set(keys_of(rows)) <= REAL
    got = [row.content for row in rows if row.number == 7]
    if not any(cell.endswith(PASTED) for cell in cells):
        assert got == [cells]
    assert set(keys_of(rows)) >= REAL - {"a@x.com"}


@given(noted(), st.sampled_from(["not closed", "a quote inside", "not opened right", "a cell short"]))
def test_no_line_of_a_broken_note_becomes_a_row(case, how):
    before, row, after, _ = case
    opened, closed = row.index('"'), row.rindex('"')
    if how == "not closed":
        # If all lines that follow look like rows, nothing shows that one is not.
        row = row[:closed] + "\n- bye" + row[closed + 1 :]
    elif how == "a quote inside":
        row = row[: opened + 1] + 'say "hi" ' + row[opened + 1 :]
    elif how == "not opened right":
        row = row[:closed] + '" ' + row[closed:]
    else:
        row = row.removeprefix("a@x.com,")
    assert set(keys_of(rows_of(HEADER + before + row + after, delimiter=","))) <= REAL


@pytest.mark.parametrize("ends", ["bye", "Best, Bob", "Best, Bob, CEO, ACME", "--"])
def test_a_note_that_quotes_a_row_is_read_as_it_is(ends):
    note = f"Forwarded:\n{PASTED}\n{PASTED}\n{ends}"
    assert contents_of(HEADER + good(3) + f'a@x.com,Ann,Lee,"{note}"\n' + good(3))[3] == [
        "a@x.com",
        "Ann",
        "Lee",
        note,
    ]


def test_a_note_whose_quote_is_not_closed_is_not_sent_in_parts():
    rows = rows_of(HEADER + good(3) + f'a@x.com,Ann,Lee,"Forwarded:\n{PASTED}\nbye\n' + good(30, 3))
    assert [row.number for row in rows if isinstance(row.content, Unreadable)] == [5, 6, 7]
    assert "line 5 opens" in reason_of(rows[4])
    assert "line 5 opens" in reason_of(rows[5])


def test_a_note_that_ends_in_a_row_and_two_stray_quotes_look_alike():
    """Nobody can know which it is, so none of the lines is sent."""
    rows = rows_of(HEADER + good(3) + f'a@x.com,Ann,Lee,"Forwarded:\n{PASTED}"\n' + good(3))
    assert [row.number for row in rows if isinstance(row.content, Unreadable)] == [5, 6]
    assert len(rows) == 8


def test_a_row_of_several_lines_after_a_stray_quote_is_no_text():
    rows = rows_of(HEADER + good(2) + 'a@x.com,"A,B,c\n' + 'b@x.com,B,C,"hi\n- x\nbye"\n' + good(2))
    assert [row.number for row in rows] == [2, 3, 4, 5, 8, 9]
    assert rows[3].content == ["b@x.com", "B", "C", "hi\n- x\nbye"]


# Backslashes


@pytest.mark.parametrize("row", ["bob@y.com,Bob,new,Rome", 'bob@y.com,Bob,"new\nold",Rome'])
def test_a_row_behind_a_short_line_that_ends_with_a_backslash_is_sent(row):
    for again in (1, 2):
        rows = rows_of(HEADER + good(5) + "ann@x.com,C:\\\n" * again + row + "\n" + good(1))
        assert keys_of(rows[5:]) == ["bob@y.com", "u0@x.com"]
        assert "ends with a backslash" in reason_of(rows[5])


def test_the_rest_of_a_row_whose_line_breaks_are_escaped_is_not_sent():
    rows = rows_of(HEADER + good(5) + "ann@x.com,one\\\ntwo\\\nthree,Lee,ok\n" + good(1))
    assert [row.number for row in rows if isinstance(row.content, Unreadable)] == [7, 8, 9]
    assert "rest of line 7" in reason_of(rows[7])


# Lines and cells


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
def test_any_kind_of_line_end_ends_a_row(end):
    data = (HEADER + good(3) + 'q@x.com,"two\nlines",b,c\n').replace("\n", end)
    rows = rows_of(data)
    assert [row.content[0] for row in rows] == ["u0@x.com", "u1@x.com", "u2@x.com", "q@x.com"]
    assert rows[3].content[1] == f"two{end}lines"
    assert rows[0].raw == b"u0@x.com,First0,Last0,note 0"
    assert [row.number for row in rows] == [2, 3, 4, 5]


def test_old_mac_lines_with_line_feeds_in_cells():
    assert contents_of('a,b\r1,"x\ny"\r2,z\r') == [["1", "x\ny"], ["2", "z"]]


def test_a_lone_carriage_return_costs_its_line():
    rows = rows_of(HEADER + good(1) + "a@x.com,one\rtwo,b,c\n" + good(1))
    assert "line break" in reason_of(rows[1])
    assert len(rows) == 3


def test_blank_lines_are_no_rows_and_delimiters_are():
    rows = rows_of("a\tb\n\n1\t2\n  \n \t \n\t\n3\t4\n\n\n")
    assert [(row.number, row.content) for row in rows] == [
        (3, ["1", "2"]),
        (5, [" ", " "]),
        (6, ["", ""]),
        (7, ["3", "4"]),
    ]


def test_rows_with_too_few_or_too_many_cells():
    rows = rows_of("a,b,c\n1\n1,2,3,,  ,\n1,2,3,,4\n1,2,3\n")
    assert rows[0].content == ["1", "", ""]
    assert rows[1].content == ["1", "2", "3"]
    assert reason_of(rows[2]) == "5 cells, but the header has 3"


@pytest.mark.parametrize(
    ("end", "torn"), [("1,2", True), ("1,2\n", False), ("1,2,3", False), ('1,"2"', True), ("1,2,", False)]
)
def test_a_file_that_ends_in_the_middle_of_a_row(end, torn):
    rows = rows_of("a,b,c\n1,2,3\n" + end)
    assert isinstance(rows[-1].content, Unreadable) is torn
    assert len(rows) == 2


def test_an_overlong_line_is_one_row_and_kept_in_part():
    rows = rows_of(HEADER + good(1) + "x" * (3 * LINE_BYTES) + "\n" + good(1))
    assert [row.number for row in rows] == [2, 3, 4]
    assert "longer than" in reason_of(rows[1])
    assert rows[1].raw == b"x" * KEPT_BYTES
    source = source_of(HEADER + good(1) + "x" * LINE_BYTES + '\n"' + "x" * LINE_BYTES)
    parts = list(source.slices())
    assert parts[-1].end == Mark(len(HEADER + good(1)) + 2 * LINE_BYTES + 2, 5)
    for row in (row for part in parts for row in part.rows):
        assert read_row_again(source.shape, row.raw) == row.content


def test_a_quoted_cell_beyond_the_field_limit():
    rows = rows_of(HEADER + f'a@x.com,"{"x" * 131_073}",b,c\n' + good(1))
    assert "131,072 characters" in reason_of(rows[0])
    assert len(rows) == 2


def test_one_line_of_another_encoding_is_one_row():
    rows = rows_of(HEADER.encode() + good(5).encode() + b"a@x.com,Ren\xe9,x,y\n" + good(5).encode())
    assert "UTF-8" in reason_of(rows[5])
    assert len(rows) == 11


# The header


@pytest.mark.parametrize(
    ("data", "delimiter", "columns"),
    [
        ("a,b\n1,2\n", ",", ("a", "b")),
        ("a;b,c\n1;2\n", ";", ("a", "b,c")),
        ("Last, First;E-mail\nDoe, J;x\n", ";", ("Last, First", "E-mail")),
        ('"a,b"\tc\n1\t2\n', "\t", ("a,b", "c")),
        ("a|b|c\n1|2|3\n", "|", ("a", "b", "c")),
        ("email\na@x.com\n", ",", ("email",)),
        ("sep=;\na;b\n1;2\n", ";", ("a", "b")),
        ("\n\na,b\n1,2\n", ",", ("a", "b")),
        ("\ufeffa,b\n1,2\n", ",", ("a", "b")),
        ('\ufeff"a","b"\n1,2\n', ",", ("a", "b")),
        ('"a\nb",c\n1,2\n', ",", ("a b", "c")),
        (" a ,b \n1,2\n", ",", ("a", "b")),
        ("a,,a,a,a#2,\n1,2,3,4,5,6\n", ",", ("a", "column 2", "a#3", "a#4", "a#2", "column 6")),
    ],
)
def test_delimiter_and_columns_are_read_from_the_header(data, delimiter, columns):
    shape = source_of(data).shape
    assert (shape.delimiter, shape.columns) == (delimiter, columns)
    assert len(rows_of(data)) == 1
    assert rows_of(data)[0].number == data[: data.rstrip("\n").rindex("\n") + 1].count("\n") + 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"email,name\n", "a header and no rows"),
        (b"email,name", "a header and no rows"),
        (b"email,name\r\n \r\n\r\n", "a header and no rows"),
        (b"sep=;\n", "no header"),
        (b'email,"name\na@x.com,A\nb@x.com,B\n', "quote in the header"),
        (b'email,"name\na@x.com,A"\nb@x.com,B\n', "quote in the header"),
        (b"email,pr\xe9nom\na@x.com,A\n", "the header"),
        (b"x" * 700_000 + b"\n1\n", "first line is longer"),
    ],
)
def test_a_header_that_is_none_is_refused(data, says):
    with pytest.raises(SourceError, match=says):
        source_of(data)


def test_a_given_delimiter_is_used():
    assert contents_of("a;b,c\n1;2,3\n", delimiter=",") == [["1;2", "3"]]
    with pytest.raises(SourceError, match="one character"):
        source_of("a,b\n1,2\n", delimiter=", ")


def test_an_odd_row_is_looked_at_alone(monkeypatch):
    """Not UTF-8, a line break of another kind or in a cell, a stray quote, a cell too few, a blank line."""
    odd = [b"a@x.com,\xff,x,y", b'b@x.com,"a\rb",x,y', b'c@x.com,"a\nb",x,y', b'd@x.com,"a,x,y', b"e@x.com"]
    odd.append(b"")
    seen = []
    content = CsvRows.content
    monkeypatch.setattr(CsvRows, "content", lambda self, raw: seen.append(raw) or content(self, raw))
    lines = b"".join(good(90, i * 90).encode() + line + b"\n" for i, line in enumerate(odd))
    rows = rows_of(HEADER.encode() + lines + good(90, 900).encode())
    assert len(rows) == 90 * (len(odd) + 1) + len(odd) - 1
    assert {raw[:1] for raw in seen} <= {line[:1] for line in odd}
