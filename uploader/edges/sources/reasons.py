"""Why a row can't be read, where formats share the reason. The text is for the user, who mends the file."""

from uploader.edges.sources.lines import LINE_BYTES

NOT_UTF8 = "this row is not valid UTF-8"
TOO_LONG = f"this line is longer than {LINE_BYTES:,} bytes; only its beginning is kept"
