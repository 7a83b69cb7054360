"""Any source: compression, standard input, damage, what is refused at open, marks and identity."""

import bz2
import gc
import gzip
import io
import lzma
import os
import sys
import threading
import tracemalloc
import zipfile
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from support.soaked import combined
from uploader.errors import SourceError
from uploader.model.rows import Mark
from uploader.sources.bytes.byte_source import EDGE_BYTES
from uploader.sources.formats.csv_quotes import CONTINUATION_LINES
from uploader.sources.open import open_source
from uploader.sources.source import SLICE_BYTES, SLICE_ROWS

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROWS = 3000
CSV = b"email,first,note\n" + b"".join(b'u%d@x.com,F%d,"a, b"\n' % (i, i) for i in range(ROWS))
NDJSON = b"".join(b'{"email":"u%d@x.com","age":%d}\n' % (i, i) for i in range(ROWS))

COMPRESSIONS = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip in members": lambda data: b"".join(
        gzip.compress(data[i : i + 9999]) for i in range(0, len(data), 9999)
    ),
    "gzip padded": lambda data: gzip.compress(data) + bytes(600_000),
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
    "bzip2 in streams": lambda data: bz2.compress(data[:5000]) + bz2.compress(data[5000:]),
    "xz": lzma.compress,
    "xz in streams": lambda data: lzma.compress(data[:5000]) + bytes(8) + lzma.compress(data[5000:]),
    "zstd in frames": lambda data: zstd.compress(data[:5000]) + zstd.compress(data[5000:]),
    "zstd skippable": lambda data: b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstd.compress(data),
}


def rows_in(source, start=None):
    return [row for part in source.slices(start) for row in part.rows]


def drain(source, rows):
    """Add the rows to a list, which keeps them when the reading fails."""
    for part in source.slices():
        rows += part.rows


class Dribble(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data, size):
        self._inner, self._size = io.BytesIO(data), size

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._inner.readinto(memoryview(buffer)[: self._size])


@pytest.mark.parametrize(
    ("compression", "kind"),
    combined(
        COMPRESSIONS,
        ["csv", "ndjson"],
        usual=lambda compression, kind: kind == "csv" or compression == "plain",
    ),
)
def test_all_ways_in_give_the_same_rows_from_every_mark(tmp_path, compression, kind):
    data = CSV if kind == "csv" else NDJSON
    path = tmp_path / "no name tells it.xlsx"
    path.write_bytes(COMPRESSIONS[compression](data))
    source = open_source(str(path))
    slices = list(source.slices())
    assert source.name == str(path)
    assert source.bytes_read() == source.size_bytes == len(path.read_bytes())
    assert slices[0].start == Mark(17, 2) if data is CSV else Mark(0, 1)
    assert slices[-1].end == Mark(len(data), data.count(b"\n") + 1)
    assert all(before.end == after.start for before, after in pairwise(slices))
    assert all(len(part.rows) == SLICE_ROWS for part in slices)
    rows = [row for part in slices for row in part.rows]
    assert b"\n".join(row.raw for row in rows) + b"\n" == data[slices[0].start.offset :]
    for index, part in enumerate(slices):
        rest = rows[index * SLICE_ROWS :]
        assert rows_in(source, part.start) == rest
        stdin = open_source("-", stdin=io.BufferedReader(Dribble(path.read_bytes(), 777)))
        assert (stdin.name, stdin.size_bytes, stdin.shape) == ("-", None, source.shape)
        assert rows_in(stdin, part.start) == rest
    assert rows_in(source, slices[-1].end) == []


def test_stdin_can_be_read_once():
    source = open_source("-", stdin=io.BytesIO(CSV))
    assert len(rows_in(source)) == ROWS
    with pytest.raises(SourceError, match="only once"):
        rows_in(source)


def test_a_named_pipe_is_read_like_stdin(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(gzip.compress(CSV),))
    writer.start()
    source = open_source(str(path))
    assert len(rows_in(source)) == ROWS
    assert source.size_bytes is None
    writer.join()


# Damage


ARCHIVES = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
}


@pytest.mark.parametrize(
    ("archive", "megabytes"),
    combined(ARCHIVES, [1, 3], usual=lambda archive, megabytes: megabytes == 1 or archive == "zstd"),
)
def test_a_cut_archive_gives_its_rows_and_then_the_error(tmp_path, archive, megabytes):
    noise = os.urandom(megabytes << 20).hex().encode()
    data = CSV + b"".join(b"n@x.com,%b,\n" % noise[i : i + 200] for i in range(0, len(noise), 200))
    path = tmp_path / "cut"
    path.write_bytes(ARCHIVES[archive](data)[:-200])
    source = open_source(str(path))
    rows = []
    with pytest.raises(SourceError, match=r"cut: the \w+ archive ends in the middle, after byte [\d,]+"):
        drain(source, rows)
    lines = data.split(b"\n")
    assert len(rows) > ROWS
    assert [row.raw for row in rows] == lines[1 : len(rows) + 1]


@pytest.mark.parametrize("compress", ARCHIVES.values(), ids=ARCHIVES)
def test_a_damaged_archive_gives_the_rows_before_the_damage(tmp_path, compress):
    noise = os.urandom(2 << 20).hex().encode()
    data = CSV + b"".join(b"n@x.com,%b,\n" % noise[i : i + 200] for i in range(0, len(noise), 200))
    packed = bytearray(compress(data))
    # So much that the head of a block is among it: not all archives have sums to be checked.
    packed[len(packed) // 2 : len(packed) // 2 + 100_000] = bytes(100_000)
    path = tmp_path / "damaged"
    path.write_bytes(packed)
    rows = []
    with pytest.raises(SourceError, match=r"archive is damaged near its byte [\d,]+, after byte [\d,]+"):
        drain(open_source(str(path)), rows)
    assert len(rows) > ROWS


def test_bytes_after_an_archive_are_damage(tmp_path):
    path = tmp_path / "tail"
    path.write_bytes(gzip.compress(CSV) + b"garbage")
    with pytest.raises(SourceError, match="damaged"):
        rows_in(open_source(str(path)))


@pytest.mark.parametrize("change", [b"more@x.com,a,b\n", None])
def test_a_file_that_changes_while_it_is_read(tmp_path, change):
    path = tmp_path / "growing.csv"
    path.write_bytes(CSV)
    source = open_source(str(path))
    path.write_bytes(CSV + change if change else CSV[:-4000])
    rows = []
    with pytest.raises(SourceError, match="changed while it was read"):
        drain(source, rows)
    assert len(rows) > ROWS - 300


def test_a_mark_behind_the_end_is_another_file(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(CSV))
    with pytest.raises(SourceError, match="before the position that the job has reached"):
        rows_in(open_source(str(path)), Mark(len(CSV) + 10, 9))


# What is refused at open


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", "b")
    return file.getvalue()


TEXT = "email,prénom\n" + "a@x.com,René\n" * 5


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "is empty", id="nothing"),
        pytest.param(b"\xef\xbb\xbf", "only blank lines", id="byte order mark alone"),
        pytest.param(b"\n \r\n\t\n", "only blank lines", id="blank lines"),
        pytest.param(gzip.compress(b""), "is empty", id="gzip of nothing"),
        pytest.param(gzip.compress(_zip()), "compressed ZIP archive or Excel file", id="gzip of ZIP"),
        pytest.param(gzip.compress(bz2.compress(CSV)), "compressed twice", id="gzip of bzip2"),
        pytest.param(lzma.compress(gzip.compress(CSV)), "compressed twice", id="xz of gzip"),
        pytest.param(gzip.compress(b"PAR1" + bytes(20)), "compressed Parquet", id="gzip of Parquet"),
        pytest.param(b"\xd0\xcf\x11\xe0" + bytes(20), "save it as .xlsx or CSV", id="Excel 97"),
        pytest.param(gzip.compress(gzip.compress(CSV)), "compressed twice", id="gzip of gzip"),
        pytest.param(b"PAR1" + bytes(20), "Parquet", id="Parquet"),
        pytest.param(b"a" * 257 + b"ustar" + b"a" * 100, "tar archive", id="tar"),
        pytest.param(b"a,b\n1,\0\n", "binary", id="NUL"),
        pytest.param(b"\x7fELF" + bytes(40) + b"x" * 60, "binary", id="ELF"),
        pytest.param(TEXT.encode("utf-32-le"), "--encoding utf-32-le", id="UTF-32 LE"),
        pytest.param(TEXT.encode("utf-32-be"), "--encoding utf-32-be", id="UTF-32 BE"),
        pytest.param(
            TEXT.encode("cp1252"),
            r"not UTF-8 \(line 1\).*'email,prénom'.*René.*--encoding windows-1252",
            id="windows-1252",
        ),
        pytest.param(
            CSV + "a,é,b\n".encode("cp1252") * 3, r"not UTF-8 \(line 3002\)", id="windows-1252 late"
        ),
    ],
)
def test_a_file_that_is_no_source_is_refused_with_advice(tmp_path, data, says):
    path = tmp_path / "contacts.csv"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=says) as raised:
        open_source(str(path))
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)
    if len(data) <= EDGE_BYTES:  # a stream is identified by no more than that
        with pytest.raises(SourceError, match=says):
            open_source("-", stdin=io.BytesIO(data))


def test_paths_that_are_no_files(tmp_path):
    for path, says in (
        (tmp_path / "none", "no such file"),
        (tmp_path, "is a directory"),
        ("a\0b", "cannot be opened"),
    ):
        with pytest.raises(SourceError, match=says):
            open_source(str(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(CSV)
    path.chmod(0)
    with pytest.raises(SourceError, match="permissions"):
        open_source(str(path))


def test_an_io_error_names_the_place():
    class Failing(io.BytesIO):
        def read1(self, size=-1):
            if self.tell() > 100_000:
                raise OSError(5, "Input/output error")
            return super().read1(min(size, 50_000))

    source = open_source("-", stdin=Failing(CSV * 5))
    with pytest.raises(SourceError, match=r"reading failed after byte 150,000: .*Input/output"):
        rows_in(source)


# Slices, memory, identity


def test_slices_close_by_bytes_too():
    data = b"a,b\n" + b"".join(b"%d,%b\n" % (i, b"x" * 50_000) for i in range(100))
    slices = list(open_source("-", stdin=io.BytesIO(data)).slices())
    assert all(part.end.offset - part.start.offset < SLICE_BYTES + 60_000 for part in slices)
    assert sum(len(part.rows) for part in slices) == 100


def test_blank_lines_at_the_end_belong_to_a_slice():
    data = b"a,b\n" + b"1,2\n" * SLICE_ROWS + b"\n" * 9
    slices = list(open_source("-", stdin=io.BytesIO(data)).slices())
    assert slices[-1].end.offset == len(data)
    assert [len(part.rows) for part in slices] == [SLICE_ROWS, 0]


def peak_bytes(body: bytes, size: int) -> int:
    packed = gzip.compress(b"email,first,last\nu@x.com,a,b\n" + body * (size // len(body)))
    gc.collect()
    tracemalloc.start()
    try:
        for part in open_source("-", stdin=io.BytesIO(packed)).slices():
            assert len(part.rows) <= SLICE_ROWS + CONTINUATION_LINES
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.soak
@pytest.mark.parametrize(
    "body",
    [
        b'"u@x.com,stray,quote\n',
        b"x" * 40_000,
        b"         \n",
        b'u@x.com,"two\nlines",\n',
        b"u@x.com,a,b\n",
    ],
    ids=["stray quotes", "one line", "blank", "notes", "plain"],
)
def test_memory_does_not_grow_with_the_file(body, monkeypatch):
    monkeypatch.setattr("uploader.sources.formats.lines_to_rows.SLICE_ROWS", 50)
    monkeypatch.setattr("uploader.sources.bytes.byte_source.BLOCK_BYTES", 4000)
    monkeypatch.setattr("uploader.sources.bytes.compression.BLOCK_BYTES", 4000)
    monkeypatch.setattr("uploader.sources.bytes.lines.LINE_BYTES", 16_000)
    monkeypatch.setattr("uploader.sources.formats.csv_rows.LINE_BYTES", 16_000)
    monkeypatch.setattr("uploader.sources.formats.csv_quotes.LINE_BYTES", 16_000)
    # What grows with the file grows by 50 kB at least. What else the process allocates is much less.
    assert peak_bytes(body, 100_000) < peak_bytes(body, 50_000) + 40_000


def test_leaving_half_way_closes_the_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(CSV)
    source = open_source(str(path))
    slices = source.slices()
    next(slices)
    slices.close()  # warnings are errors: a file left open would fail the test
    assert 0 < source.bytes_read() <= len(CSV)
    assert repr(source).startswith("<csv source")


def test_the_fingerprint_is_of_content_and_never_of_name_or_time(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(CSV * 20)
    two.write_bytes(CSV * 20)
    os.utime(two, (1, 1))
    assert open_source(str(one)).fingerprint == open_source(str(two)).fingerprint
    assert open_source("-", stdin=io.BytesIO(CSV * 20)).fingerprint == (
        open_source("-", stdin=io.BufferedReader(Dribble(CSV * 21, 1000))).fingerprint
    )


@settings(max_examples=20)
@given(st.integers(0, 2), st.integers(0, 60_000))
def test_another_content_has_another_fingerprint(tmp_path_factory, where, shift):
    data = bytearray(CSV * 4)
    path = tmp_path_factory.mktemp("f") / "a"
    path.write_bytes(data)
    before = open_source(str(path)).fingerprint
    if where == 0:
        data[40 + shift % 60_000] ^= 1
    elif where == 1:
        data[-1 - shift] ^= 1
    else:
        data += b"a@x.com,b,c\n"
    path.write_bytes(data)
    assert open_source(str(path)).fingerprint != before


@pytest.mark.parametrize("length", [1_048_575, 1_048_576, 1_048_577, 1_100_000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_overlong_line_is_the_same_from_wherever_reading_starts(tmp_path, length, end):
    path = tmp_path / "rows.csv"
    before = "email,note" + end + "".join(f"a{i}@b.de,x{end}" for i in range(130))
    long = "long@b.de," + "z" * (length - 10)
    path.write_text(f"{before}{long}{end}last@b.de,x{end}", encoding="utf-8", newline="")
    source, seen = open_source(str(path)), []
    for start in (None, Mark(len(before), 132)):
        rows = [row for part in source.slices(start) for row in part.rows]
        seen.append([(row.number, row.raw, type(row.content)) for row in rows if row.number >= 132])
    assert seen[0] == seen[1]
    assert [number for number, _, _ in seen[0]] == [132, 133]
