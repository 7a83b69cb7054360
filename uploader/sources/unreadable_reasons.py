"""Texts for the user about rows and files that can't be read, shared by several formats."""

from uploader.sources.bytes.encodings import PROPOSED, around
from uploader.sources.bytes.lines import LINE_BYTES

NOT_UTF8 = "this row is not valid UTF-8"
TOO_LONG = f"this line is longer than {LINE_BYTES:,} bytes; only its beginning is kept"
TOO_LONG_ROW = f"this row takes more than {LINE_BYTES:,} bytes; only its beginning is kept"


def not_text(encoding: str, raw: bytes) -> str:
    """The reason for a row that can't be decoded. `encoding`: "" for UTF-8."""
    if encoding:
        return f"this row holds bytes that are not text in {encoding}"
    return (
        f"{NOT_UTF8}; as {PROPOSED} it would be {printable(around(raw))!r}: if that is right, use --encoding "
        f"{PROPOSED}"
    )


def in_a_line(error: BaseException) -> str:
    """A library's error as one printable line: it may quote control characters from the file."""
    return printable(str(error).partition("\n")[0]) or type(error).__name__


def printable(text: str) -> str:
    """Text from a file, shortened and printable, as an error may quote it."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]
