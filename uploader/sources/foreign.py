"""Files that are no source: how each kind is recognised, what it is, and what to do with it. Tables.

In    the first bytes of a file, the beginning of its text in UTF-8, or the names of an archive's members.
Raise `SourceError` for what is in a table. Texts are recognised only by what CSV does not begin with.
"""

import re
from collections.abc import Iterable

from uploader.errors import SourceError
from uploader.sources.bytes.encodings import marks_at_start

PARQUET, ZIP, SQLITE = b"PAR1", b"PK\x03\x04", b"SQLite format 3\x00"

_TWICE = "is compressed twice; unpack it once"
_BY_BYTES = (
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive, which is not supported; unpack it"),
    (b"Rar!\x1a\x07", "is a RAR archive, which is not supported; unpack it"),
    (b"PK\x05\x06", "is an empty ZIP archive"),
    (
        b"\xd0\xcf\x11\xe0",
        "is an old Excel file (.xls), or one with a password: save it as .xlsx or CSV, without a password",
    ),
    (b"PARE", "is an encrypted Parquet file, which is not supported; write it without encryption"),
    (b"Obj\x01", "is an Avro file, which is not supported; export it as Parquet, CSV or NDJSON"),
    (b"ORC", "is an ORC file, which is not supported; export it as Parquet, CSV or NDJSON"),
    (b"ARROW1", "is an Arrow file, which is not supported; export it as Parquet, CSV or NDJSON"),
    (b"%PDF-", "is a PDF, which is not supported; export the data as CSV"),
    (SQLITE, "is an SQLite database, which cannot be read from a stream or an archive; give it as a file"),
    (b"\x1f\x8b", _TWICE),
    (b"\x28\xb5\x2f\xfd", _TWICE),
    (b"\xfd7zXZ\x00", _TWICE),
    (b"BZh91AY&SY", _TWICE),
)
#: These need random access, so they can't be read from an archive.
_PACKED = (
    (PARQUET, "is a compressed Parquet file; unpack it (Parquet has its own compression)"),
    (ZIP, "is a compressed ZIP archive or Excel file; unpack it once"),
)
_BY_MEMBER = (
    ("xl/workbook.bin", "is a binary Excel file (.xlsb), which is not supported; save it as .xlsx or CSV"),
    ("content.xml", "is an OpenDocument file, which is not supported; save it as .xlsx or CSV"),
    ("word/document.xml", "is a Word document; copy its table into a spreadsheet, and save that as CSV"),
    ("Index/Document.iwa", "is a file of Numbers or Pages, which is not supported; export it as CSV"),
    (
        "[Content_Types].xml",
        "is an Office document with an unusual structure; save it as .xlsx or CSV in Excel",
    ),
)


def _text(advice: str, *patterns: bytes, behind: bytes = rb"\s") -> tuple[re.Pattern[bytes], str]:
    """A kind of text: how it begins, behind any number of `behind`. {} is the first group of the pattern."""
    return re.compile(rb"(?:%b)*+(?:%b)" % (behind, rb"|".join(patterns)), re.DOTALL), advice


_XML = rb"<\?[^>]*>|<!--.*?-->|\s"
_NOTES = rb"[#;][^\n]*\n|\s"
_SQL_NOTES = rb"--[^\n]*\n|/\*.*?\*/;?|\s"
_LINE_END = rb"[ \t]*\r?\n"

_BY_TEXT = (
    _text(
        "is a pointer of Git LFS, and not the file; get the file with `git lfs pull`",
        rb"version https://git-lfs\.github\.com/spec/",
    ),
    _text(
        "is a pointer of git-annex, and not the file; get the file with `git annex get`",
        rb"(?:\.\./|/)*(?:\.git/)?annex/objects/",
    ),
    _text(
        "is encrypted; decrypt it first, and delete the copy after the upload",
        rb"-----BEGIN (?:PGP|AGE) ",
        rb"age-encryption\.org/",
    ),
    _text(
        "begins with the headers of a reply; download it again without them (curl without -i)",
        rb"HTTP/[\d.]+ \d{3}\b",
    ),
    _text(
        "is an error of an object store ({}), and not the file; download it again by a new link, or with the "
        "rights for it",
        rb"<Error\b[^>]*>\s*<Code>(\w+)",
        behind=_XML,
    ),
    _text(
        "is an XML spreadsheet of Excel 2003; open it in Excel or LibreOffice, and save it as .xlsx or CSV",
        rb"<(?:\w+:)?Workbook\b",
        behind=_XML,
    ),
    _text(
        "is an OpenDocument file, which is not supported; save it as .xlsx or CSV",
        rb"<office:document\b",
        behind=_XML,
    ),
    _text(
        "is a web page (HTML), whatever its name says: if it is a table, open it in Excel or LibreOffice and "
        "save it as .xlsx or CSV; if it is an error, or a page for signing in, download the file again",
        rb"(?i:<(?:!doctype html|html|head|meta|title|style|script|body|table|div|center|tr)\b)",
        behind=_XML,
    ),
    _text("is an XML file, which is not supported; export it as CSV", rb"<\?xml\b|<[\w:]+\s[^>]*xmlns"),
    _text("is a text with formats (RTF); save it as plain text (.txt or .csv)", rb"\{\\rtf"),
    _text(
        "holds vCards; import them into an address book or a spreadsheet, and export that as CSV",
        rb"(?i:BEGIN:VCARD\s)",
    ),
    _text("is a calendar (iCalendar), which holds events and no rows", rb"(?i:BEGIN:VCALENDAR\s)"),
    _text(
        "is an LDIF file, which is not supported; export the directory as CSV (for example with csvde)",
        rb"dn::? ?\S",
        behind=_NOTES + rb"|version: *\d+\s",
    ),
    _text(
        "is a dump of a database (SQL); load it into a database, and export the table as CSV",
        rb"(?:CREATE|DROP|ALTER) (?:TABLE|DATABASE|SCHEMA|TYPE) |(?:INSERT|REPLACE) INTO |LOCK TABLES ",
        rb"(?:BEGIN|START)(?: TRANSACTION)?;|PRAGMA \w+ *=|COPY \S+ \([^)]*\) FROM stdin;",
        rb"SET (?:NAMES |@|\w+ *=|\w+ ON%b)|USE \S+?(?:;|\s+GO)%b" % (_LINE_END, _LINE_END),
        behind=_SQL_NOTES,
    ),
    _text(
        "is a table as a database client shows it; export the table as CSV",
        rb"\+-{2,}\+[-+]*%b\|" % _LINE_END,
    ),
    _text(
        "is a YAML file, which is not supported; convert it to NDJSON (yq -o=json -I=0 '.[]' OLD > NEW)",
        rb"%%YAML|---%b|(?:[\w-]+:%b\s*)?- [\w\"'-]+:[ \r\n]" % (_LINE_END, _LINE_END),
        behind=_NOTES,
    ),
    _text(
        "is a file of settings (TOML or INI), which holds no rows; a mapping file is given with --mapping",
        rb"\[\[?[\w .\"'-]+\]\]?%b(?:%b)*+[\w\"'][^\n=,;]*=" % (_LINE_END, _NOTES),
        behind=_NOTES,
    ),
    _text(
        "is an e-mail or a mailbox; save the attachment, and give that file",
        rb"From \S+ +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[, ]",
        rb"(?:Return-Path|Received|Delivered-To|MIME-Version|Message-ID): [^\n]*\n(?:[\w-]+:|[ \t])",
    ),
    _text("is a SYLK file, which is not supported; save it as .xlsx or CSV", rb"ID;P(?:WXL|CALC|SCALC)"),
)


def refuse_foreign(name: str, magic: bytes) -> None:
    """Refuse unsupported files by their first bytes."""
    _refuse(name, magic, _BY_BYTES)
    if magic[257:262] == b"ustar":
        raise SourceError(f"{name}: is a tar archive, which is not supported; unpack it and give the files")


def refuse_packed(name: str, sample: bytes) -> None:
    """Refuse content that is allowed as a source, but not inside an archive."""
    _refuse(name, sample, _PACKED)
    refuse_foreign(name, sample)


def refuse_foreign_text(name: str, sample: bytes) -> None:
    """Refuse texts that hold no rows of CSV, NDJSON or JSON."""
    start = marks_at_start(sample)
    for pattern, advice in _BY_TEXT:
        if found := pattern.match(sample, start):
            groups = (group.decode(errors="replace") for group in found.groups(b""))
            raise SourceError(f"{name}: {advice.format(*groups)}")


def refuse_foreign_archive(name: str, members: Iterable[str]) -> None:
    """Refuse ZIP archives that are documents."""
    names = frozenset(members)
    for member, advice in _BY_MEMBER:
        if member in names:
            raise SourceError(f"{name}: {advice}")


def _refuse(name: str, sample: bytes, table: Iterable[tuple[bytes, str]]) -> None:
    for start, advice in table:
        if sample.startswith(start):
            raise SourceError(f"{name}: {advice}")
