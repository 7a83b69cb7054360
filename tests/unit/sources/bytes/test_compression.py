"""ZIP archives, and compressed files that unpack to far more than they hold."""

import bz2
import gzip
import io
import lzma
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from support.source_files import cells_of
from uploader.errors import SourceError
from uploader.model.rows import Unreadable
from uploader.sources.open import open_source


def zip_of(path: Path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_what_a_zip_archive_may_hold(tmp_path):
    path = tmp_path / "t.zip"
    for files, says in (
        ({"a": "x", "b": "y"}, r"contains 2 files \(a, b\)"),
        ({"d/": ""}, "contains no file"),
        ({"a\x1b[2J\nb": "x", "c": "y"}, r"contains 2 files \(a \[2J b, c\)"),
        ({"content.xml": "x"}, "OpenDocument"),
        ({"a": gzip.compress(b"a,b\n1,2\n")}, "compressed twice"),
    ):
        with pytest.raises(SourceError, match=says):
            open_source(str(zip_of(path, **files)))
    data = zip_of(path, a="email,b\n" + "a@b.de,1\n" * 50_000).read_bytes()
    broken = bytearray(data)
    broken[len(broken) // 2] ^= 0xFF
    path.write_bytes(broken)
    with pytest.raises(SourceError, match="damaged"):
        cells_of(open_source(str(path)))
    with pytest.raises(SourceError, match="give it as a file"):
        open_source("-", stdin=io.BytesIO(data))


def test_a_bomb_is_read_in_bounded_memory(tmp_path):
    """Fifty megabytes in fifty kilobytes, by every way in."""
    body = b"email,b\n" + b"a@b.de," + b"x" * (50 << 20)
    zip_of(tmp_path / "a.zip", a=body)
    (tmp_path / "a.gz").write_bytes(gzip.compress(body, 1))
    (tmp_path / "a.bz2").write_bytes(bz2.compress(body, 1))
    (tmp_path / "a.xz").write_bytes(lzma.compress(body, preset=0))
    del body
    for path in sorted(tmp_path.iterdir()):
        tracemalloc.start()
        (row,) = [row for part in open_source(str(path)).slices() for row in part.rows]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert isinstance(row.content, Unreadable)
        assert peak < 12 << 20, (path, peak)
