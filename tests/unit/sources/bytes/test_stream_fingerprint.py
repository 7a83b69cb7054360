"""Streams: piped again, and looked at without using them up."""

import io

import pytest

from uploader.errors import SourceError
from uploader.model.rows import Mark
from uploader.sources.open import open_source


def test_a_stream_that_is_piped_again_has_to_begin_as_it_did():
    data = b"email,n\n" + b"".join(b"u%d@b.de,%d\n" % (i, i) for i in range(20_000))
    slices = list(open_source("-", stdin=io.BytesIO(data)).slices())
    mark = slices[60].start
    again = open_source("-", stdin=io.BytesIO(data + b"more@b.de,1\n"))
    assert next(again.slices(mark)).rows[0].raw == slices[60].rows[0].raw
    changed = data[:100_000] + b"9" + data[100_001:]
    assert mark.offset > 100_000
    with pytest.raises(SourceError, match="differ from those that the job has read"):
        list(open_source("-", stdin=io.BytesIO(changed)).slices(mark))
    assert next(open_source("-", stdin=io.BytesIO(changed)).slices(Mark(mark.offset, mark.line))).rows


@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_the_first_rows_of_a_stream_are_seen_without_using_it_up(form):
    lines = [b'{"email":"a%d@x.com","n":%d}' % (i, i) for i in range(9_000)]
    data = b"\n".join(lines) if form == "ndjson" else b"[" + b",".join(lines) + b"]"
    source = open_source("-", stdin=io.BytesIO(data))
    assert [row.content["n"] for row in source.first_rows()[:3]] == ["0", "1", "2"]
    assert sum(len(slice_.rows) for slice_ in source.slices()) == len(lines)
