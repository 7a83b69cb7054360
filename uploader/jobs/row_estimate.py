"""Estimate the number of rows of the sources, from their sizes and the first rows of each. Blocks."""

from collections.abc import Sequence
from contextlib import closing

from uploader.errors import SourceError
from uploader.sources.source import Source

#: How much is read of each source: this many rows, or this many bytes if that takes more rows (compressed
#: files are read in blocks, which are too coarse a measure).
_ROWS, _BYTES, _MOST_ROWS = 2_000, 512 * 1024, 50_000


def estimate_rows(sources: Sequence[Source]) -> int | None:
    """The estimated number of rows; None if a size is not known (stdin), or a source can't be read."""
    counts = [_estimate(source) for source in sources]
    return None if None in counts else sum(count or 0 for count in counts)


def _estimate(source: Source) -> int | None:
    if source.declared_rows is not None or source.size_bytes is None:
        return source.declared_rows
    rows = looked_at = 0
    try:
        with closing(source.slices(None)) as slices:  # type: ignore[type-var]  # a generator
            for slice_ in slices:
                rows += len(slice_.rows)
                looked_at = source.bytes_at(slice_.end)
                is_exact = looked_at == slice_.end.offset
                if rows >= _MOST_ROWS or (rows >= _ROWS and (is_exact or looked_at >= _BYTES)):
                    break
            else:
                return rows
    except SourceError:
        return None
    if not looked_at:
        return None
    return max(rows, round(rows * source.size_bytes / looked_at))
