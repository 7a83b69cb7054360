"""What a source is, by its content and never by its name: told from a sample of its beginning.

`SourceError` for what can't be read at all, with what to do instead. A single bad line is no such thing.
"""

import re
from typing import Literal

from uploader.errors import SourceError

UTF8_BOM = b"\xef\xbb\xbf"

#: First bytes of files that look like data to their owner, and what to do with them.
_FOREIGN = (
    (b"BZh", "is compressed with bzip2, which is not supported; unpack it (bunzip2) or use gzip"),
    (b"\xfd7zXZ\x00", "is compressed with xz, which is not supported; unpack it (unxz) or use gzip"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive, which is not supported; unpack it"),
    (b"PK\x03\x04", "is a ZIP archive or an Excel file (.xlsx), not supported; unpack it, or save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel file (.xls), which is not supported; save it as CSV"),
    (b"PAR1", "is a Parquet file, which is not supported; export it as CSV or NDJSON"),
    (b"%PDF-", "is a PDF, which is not supported; export the data as CSV"),
    (b"SQLite format 3\x00", "is an SQLite database, which is not supported; export the table as CSV"),
    (b"\x1f\x8b", "is compressed twice; unpack it once"),
    (b"\x28\xb5\x2f\xfd", "is compressed twice; unpack it once"),
)

_UTF16 = "looks like UTF-16, not UTF-8; convert it with: iconv -f UTF-16 -t UTF-8 OLD > NEW"
_UTF32 = "looks like UTF-32, not UTF-8; convert it with: iconv -f UTF-32 -t UTF-8 OLD > NEW"
_WINDOWS = "is not UTF-8 (line {}); convert it with: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW"

#: git's rule: text has no NUL in its first 8,000 bytes. One further down is a blemish of its row.
_BINARY_BYTES = 8000

_QUOTED = re.compile(rb'"[^"]*"')


def refuse_foreign(name: str, magic: bytes) -> None:
    for start, advice in _FOREIGN:
        if magic.startswith(start):
            raise SourceError(f"{name}: {advice}")


def refuse_unreadable(name: str, sample: bytes) -> None:
    """Refuse what is no text in UTF-8. `sample` is the content's beginning, of whole lines if it can be."""
    refuse_foreign(name, sample)
    if sample[257:262] == b"ustar":
        raise SourceError(f"{name}: is a tar archive, which is not supported; unpack it and name the files")
    _refuse_wide(name, sample)
    if b"\0" in sample[:_BINARY_BYTES]:
        raise SourceError(f"{name}: is a binary file; CSV or NDJSON is needed")
    _refuse_other_encoding(name, sample)
    if not sample.removeprefix(UTF8_BOM).strip():
        raise SourceError(f"{name}: holds only blank lines" if sample else f"{name}: is empty")


def _refuse_wide(name: str, sample: bytes) -> None:
    if sample.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        raise SourceError(f"{name}: {_UTF32}")
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(f"{name}: {_UTF16}")
    head = sample[:_BINARY_BYTES]
    if len(head) < 4:
        return
    # Most text is Latin: every other byte of it is NUL in UTF-16, three out of four are in UTF-32.
    even, odd = (head[start::2].count(0) / (len(head) // 2) for start in (0, 1))
    if min(even, odd) > 0.4 and max(even, odd) > 0.9:
        raise SourceError(f"{name}: {_UTF32}")
    if min(even, odd) < 0.1 and max(even, odd) > 0.7:
        raise SourceError(f"{name}: {_UTF16}")


def _refuse_other_encoding(name: str, sample: bytes) -> None:
    """Another encoding shows in most lines that aren't ASCII. One such line may be just a broken row."""
    try:
        sample.decode()
    except UnicodeDecodeError:
        pass
    else:
        return
    foreign, good = [], 0
    for number, line in enumerate(sample.split(find_line_end(sample)), 1):
        if line.isascii():
            continue
        try:
            line.decode()
            good += 1
        except UnicodeDecodeError:
            foreign.append(number)
    if len(foreign) > max(1, good):
        raise SourceError(f"{name}: {_WINDOWS.format(foreign[0])}")


def find_line_end(sample: bytes) -> bytes:
    r"""`\n`, which closes `\r\n` too, or the lone `\r` of old Macs where that is what most lines end with.

    Spreadsheets of that kind write `\n` inside quoted cells, so those don't count.
    """
    if b"\r" not in sample:
        return b"\n"
    bare = _QUOTED.sub(b"", sample)
    feeds, pairs = bare.count(b"\n"), bare.count(b"\r\n")
    return b"\r" if bare.count(b"\r") - pairs > feeds else b"\n"


def format_of(name: str, sample: bytes, wanted: str | None) -> Literal["csv", "ndjson"]:
    first = sample.removeprefix(UTF8_BOM).lstrip()[:1]
    if first == b"[" and wanted != "csv":
        raise SourceError(f"{name}: a JSON array is not supported yet; one object a line is (jq -c '.[]')")
    if wanted == "ndjson" or (wanted is None and first == b"{"):
        return "ndjson"
    return "csv"
