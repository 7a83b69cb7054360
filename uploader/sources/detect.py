"""Detects the format of a source from a sample of its beginning, never from its name.

`SourceError`, with what to do, for a source that can't be read at all; a single bad line raises nothing.
"""

import re
from typing import Literal, get_args

import orjson

from uploader.errors import SourceError
from uploader.sources.bytes.encodings import marks_at_start

#: The names of formats for users. Parquet and Excel files are recognised by their content.
Format = Literal["csv", "ndjson", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)

#: git's rule: text has no NUL in its first 8,000 bytes. A later one only damages its row.
_BINARY_BYTES = 8000
#: Control characters that text does not have, without NUL.
_CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
#: An object that begins with scalar fields, if any, followed by an array of objects or an empty array.
_WRAPPED = re.compile(
    rb"\s*\{\s*(?P<before>(?:" + _STRING + rb"\s*:\s*(?:" + _STRING + rb"|[-+.\w]++)\s*,\s*)*+)"
    rb"(?P<name>" + _STRING + rb")\s*:\s*(?P<array>\[)\s*[{\]]",
    re.DOTALL,
)
#: The names of such an array. A contact may have an array of objects by another name.
_ENVELOPES = frozenset(
    [b'"results"', b'"contacts"', b'"records"', b'"data"', b'"items"', b'"rows"', b'"value"', b'"objects"']
)


def refuse_binary(name: str, sample: bytes, encoding: str | None) -> None:
    """Refuse content that is not text. `sample`: decoded to UTF-8; `encoding`: the encoding given."""
    head = sample[:_BINARY_BYTES]
    if b"\0" in head:
        what = f"is not text in {encoding}" if encoding else "is a binary file"
        if head.count(b"\0") <= head.count(b"\n") and not _CONTROLS.search(head):
            line = head.count(b"\n", 0, head.index(b"\0")) + 1
            raise SourceError(
                f"{name}: {what}, or line {line:,} is damaged: it holds a NUL byte, which text never has; "
                "remove it, for example with `tr -d '\\000' < OLD > NEW`"
            )
        raise SourceError(f"{name}: {what}; CSV, NDJSON, JSON, Parquet or .xlsx is needed")
    if not sample[marks_at_start(sample) :].strip():
        raise SourceError(f"{name}: contains only blank lines" if sample else f"{name}: is empty")


def format_of(name: str, sample: bytes, wanted: Format | None) -> tuple[Format, int]:
    """The format, and the offset of the bracket of a JSON array."""
    skipped = marks_at_start(sample)
    bare = sample[skipped:]
    first = bare.lstrip()[:1]
    at = skipped + len(bare) - len(bare.lstrip())
    if wanted == "csv" or (wanted is None and first not in (b"[", b"{")):
        return "csv", 0
    if wanted == "ndjson":
        return "ndjson", 0
    if first == b"[":
        inner = bare.lstrip()[1:].lstrip()[:1]
        if inner == b"[":
            raise SourceError(
                f"{name}: is a JSON array of arrays, whose values have no names; write objects "
                f"({_ORIENT}), or CSV with a header (if this is CSV, use --format csv)"
            )
        if inner not in (b"{", b"]", b""):
            raise SourceError(
                f"{name}: begins with a bracket that no object follows; a JSON array must contain objects "
                "(if this is CSV, use --format csv)"
            )
        return "json", at
    found = _WRAPPED.match(sample, skipped)
    if found and (wanted == "json" or _is_envelope(bare, found)):
        return "json", found.start("array")
    if wanted == "json":
        raise SourceError(f"{name}: is not a JSON array of objects; leave --format out")
    if odd := _odd_document(bare.strip()):
        raise SourceError(f"{name}: {odd}")
    if bare.lstrip().split(b"\n", 1)[0].strip() == b"{":
        raise SourceError(
            f"{name}: is JSON over several lines, but not an array; put each object on one line (jq -c . "
            "OLD > NEW), or all of them into an array (jq -s . OLD > NEW)"
        )
    return "ndjson", 0


_ORIENT = "pandas: to_json(..., orient='records', lines=True)"
_SPLIT = re.compile(rb'\{\s*"(?:columns|index|schema|data)"\s*:.*"data"\s*:\s*\[\s*\[', re.DOTALL)
_BY_INDEX = re.compile(rb"\{\s*" + _STRING + rb'\s*:\s*\{\s*"0"\s*:')
_ANSWER = re.compile(rb'"(results|contacts|records|data|rows)"\s*:\s*\[\s*\{')


def _odd_document(text: bytes) -> str:
    """What a JSON object is that holds the rows in another form, and what to do; "" for another one. `text`:
    its beginning at least.
    """
    line, _, rest = text.partition(b"\n")
    if rest and _loaded(line) is not None:
        return ""  # NDJSON
    if _SPLIT.match(text):
        return f"is a table as pandas writes it with orient='split' or 'table'; write objects ({_ORIENT})"
    if _BY_INDEX.match(text):
        return f"holds column after column, as pandas writes it; write objects ({_ORIENT})"
    answer = _ANSWER.search(text)
    if answer is None:
        return ""
    path = _path_to_rows(_loaded(text)) or [answer[1].decode()]
    return f"holds its rows inside of other objects; take them out: jq -c '.{'.'.join(path)}[]' OLD > NEW"


def _loaded(text: bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _path_to_rows(document: object) -> list[str]:
    """The names of the objects down to the array of rows; none if there is no such array."""
    level: list[tuple[list[str], object]] = [([], document)]
    while level:
        for path, value in level:
            if isinstance(value, list) and value and isinstance(value[0], dict) and path[-1:] != []:
                return path
        level = [
            ([*path, name], inner)
            for path, value in level
            if isinstance(value, dict)
            for name, inner in value.items()
            if re.fullmatch(r"[A-Za-z_]\w*", name)
        ]
    return []


def _is_envelope(text: bytes, found: re.Match[bytes]) -> bool:
    """Whether an object with an array of objects wraps the rows, and is not a row of NDJSON."""
    line, _, rest = text.lstrip().partition(b"\n")
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return True  # it has several lines, which no row of NDJSON has
    return not rest.strip() and (not found["before"] or found["name"] in _ENVELOPES)
