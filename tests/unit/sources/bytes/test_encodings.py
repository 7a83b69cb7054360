"""Encodings: found or given, and bytes that are no text in them."""

import io
import random

import pytest
from hypothesis import example, given, strategies as st

from support.source_files import only_cells, rows_before_an_error
from uploader.errors import SourceError
from uploader.model.rows import Unreadable
from uploader.sources.open import open_source, read_row_again


@pytest.mark.parametrize(
    ("encoding", "text"), [("utf-32", "列,名\n\x01,名前\n"), ("utf-16", "列,名\n\x01,名前\n")]
)
def test_an_encoding_of_two_byte_orders_needs_a_mark_or_an_option(encoding, text):
    """Where the text does not tell, because it has characters that belong into no text."""
    data = text.encode(f"{encoding}-le")
    with pytest.raises(SourceError, match=f"use --encoding {encoding}-le"):
        open_source("-", stdin=io.BytesIO(data), encoding=encoding)
    source = open_source("-", stdin=io.BytesIO(data), encoding=f"{encoding}-le")
    assert source.shape.columns == tuple(text.split("\n")[0].split(","))


LETTERS = st.text(
    st.characters(
        codec="utf-8",
        min_codepoint=0x21,
        exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"],
        exclude_characters=',"\ufeff\ufffe\uffff',
    ),
    min_size=1,
    max_size=9,
)
#: One each for bytes that look like something else: tabs, line feeds, carriage returns, printable ASCII.
SCRIPTS = ["имя", "όνομα", "שם", "اسم", "नाम", "ਨਾਮ", "പേര്", "ชื่อ", "ひらがな", "東京", "이름", "😀𝄞"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@given(st.lists(st.tuples(LETTERS, LETTERS), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]))
@example([("0", "\U00010000" * 9)] * 6, "\r\n")
@example([(script, script[::-1]) for script in SCRIPTS], "\n")
def test_utf_16_without_a_mark_is_found_whatever_the_letters(encoding, rows, end):
    """The address and the heads of the columns are Latin, and the other letters are of any script."""
    lines = ["email,name,note", *(f"a@b.de,{name},{note}" for name, note in rows)]
    source = open_source("-", stdin=io.BytesIO((end.join(lines) + end).encode(encoding)))
    assert source.shape.encoding == encoding
    assert only_cells(source) == [line.split(",") for line in lines[1:]]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_found_by_its_delimiters_and_line_ends(encoding, script):
    for text in (
        f"{script};{script}\n{script};1",
        f"{script}\r{script}\r",
        f"{script}\t1\r\n{script}\t1\r\n",
    ):
        source = open_source("-", stdin=io.BytesIO(text.encode(encoding)))
        assert (source.shape.encoding, source.shape.columns[0]) == (encoding, script)
        assert len(only_cells(source)) == 1
    source = open_source("-", stdin=io.BytesIO(f'[{{"{script}": "{script}"}}]'.encode(encoding)))
    assert rows_before_an_error(source)[0][0].content == {script: script}


def test_a_sample_that_ends_in_the_middle_of_a_character_is_told_by_the_rest():
    text = "имена,город\n" + "Анна,Бонн😀\n" * 100_000
    for cut in range(4):
        source = open_source("-", stdin=io.BytesIO(text[cut:].encode("utf-16-be")))
        assert source.shape.encoding == "utf-16-be"


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\n1,\0\n",
        b"a\0,b\0\nc\0,d\0\n",
        b"email,name\na@x.com,Ann\0\nb@x.com,Bob\n",
        b"email,name\n" + b"a@x.com,Ann\0\0\0\n" * 99,
        b"email,name\n\0" + b"a@x.com,Ann\n" * 9,
        "имя,город\nЮл\0ия,Рим\nЛия,Рим\n".encode(),
        bytes(range(256)) * 20,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\2\0\0\0\2\0\b\2\0\0\0",
        b"RIFF\x24\b\0\0WAVEfmt \x10\0\0\0\1\0\1\0" + b"\0\1\xff\xff\2\0\n\0" * 99,
        random.Random(1).randbytes(9_000),
    ],
)
def test_what_only_has_nul_bytes_is_not_taken_for_utf_16(data):
    with pytest.raises(SourceError, match="is a binary file"):
        open_source("-", stdin=io.BytesIO(data))


@pytest.mark.parametrize(
    "encoding", ["cp1252", "iso8859-15", "cp1251", "shift_jis", "utf-16", "utf-32", "gb18030"]
)
def test_a_given_encoding_is_used(tmp_path, encoding):
    text = {"cp1251": "Юлия", "shift_jis": "山田", "gb18030": "山田"}.get(encoding, "Zoë")
    path = tmp_path / "a.csv"
    path.write_bytes(f"email,name\na@b.de,{text}\n".encode(encoding))
    source = open_source(str(path), encoding=encoding)
    assert only_cells(source) == [["a@b.de", text]]
    assert source.shape.encoding.startswith(encoding[:6])


@pytest.mark.parametrize(
    ("encoding", "line"), [("cp1252", b"\x81"), ("shift_jis", b"\x81,"), ("utf-16-le", b"\x00\xd8")]
)
def test_bytes_that_are_no_text_cost_their_row(tmp_path, encoding, line):
    rows = [f"u{i}@b.de,é".encode(encoding, "replace") for i in range(5)]
    rows[2] = "u2@b.de,".encode(encoding) + line
    path = tmp_path / "a.csv"
    end = "\n".encode(encoding)
    path.write_bytes(end.join(["email,name".encode(encoding), *rows]) + end)
    source = open_source(str(path), encoding=encoding)
    found = [row for part in source.slices() for row in part.rows]
    assert [isinstance(row.content, Unreadable) for row in found] == [False, False, True, False, False]
    assert found[2].content.reason == f"this row holds bytes that are not text in {encoding}"
    assert read_row_again(source.shape, found[2].raw) == found[2].content


@pytest.mark.parametrize(
    ("data", "encoding", "says"),
    [
        ("email,é\n", "rot13", "not an encoding of text"),
        ("email,é\n", "klingon", "is not an encoding"),
        ("email,é\n", "cp1252", "is UTF-8, and cannot be read as"),
        ("email,é\n".encode("utf-16"), "cp1252", "is UTF-16-LE, not cp1252"),
        ("email,é\na,b\n".encode("cp1252"), "utf-8", "--encoding windows-1252"),
    ],
)
def test_an_encoding_that_can_not_be(data, encoding, says):
    data = data.encode() if isinstance(data, str) else data
    with pytest.raises(SourceError, match=says):
        open_source("-", stdin=io.BytesIO(data), encoding=encoding)
