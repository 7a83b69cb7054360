"""Why a row can't be read, where formats share the reason. The text is for the user, who mends the file."""

from uploader.edges.sources.lines import LINE_BYTES

NOT_UTF8 = "this row is not valid UTF-8"
TOO_LONG = f"this line is longer than {LINE_BYTES:,} bytes; only its beginning is kept"
TOO_LONG_ROW = f"this row takes more than {LINE_BYTES:,} bytes; only its beginning is kept"


def not_text(encoding: str) -> str:
    """`encoding`: the source's, "" for UTF-8."""
    return f"this row holds bytes that are no text in {encoding}" if encoding else NOT_UTF8
