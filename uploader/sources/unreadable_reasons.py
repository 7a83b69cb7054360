"""Why a row or file can't be read, where formats share the words. The text is for the user, who mends it."""

from uploader.sources.bytes.lines import LINE_BYTES

NOT_UTF8 = "this row is not valid UTF-8"
TOO_LONG = f"this line is longer than {LINE_BYTES:,} bytes; only its beginning is kept"
TOO_LONG_ROW = f"this row takes more than {LINE_BYTES:,} bytes; only its beginning is kept"


def not_text(encoding: str) -> str:
    """`encoding`: the source's, "" for UTF-8."""
    return f"this row holds bytes that are no text in {encoding}" if encoding else NOT_UTF8


def in_a_line(error: BaseException) -> str:
    """What a library says of a damaged file: it may quote the damage, which no terminal should obey."""
    return printable(str(error).partition("\n")[0]) or type(error).__name__


def printable(text: str) -> str:
    """Of what stands in a file, as much as an error may quote."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]
