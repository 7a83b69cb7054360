"""Detects the encoding of a text, and decodes it to UTF-8, which all formats read.

Rules   A byte order mark is certain. UTF-16 without one shows in its delimiters and line ends, each of which
        has a NUL byte on the same side in every script. An 8-bit encoding cannot be detected: it is
        proposed, with the text that it would give, and never used without the user.
        Each byte that can't be decoded becomes a lone surrogate, which is invalid in UTF-8, so that only
        its row is unreadable.
"""

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress

from uploader.errors import SourceError
from uploader.sources.bytes.lines import find_line_end

UTF8 = ""  #: the encoding that needs no decoding

_BOMS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_MARKS = re.compile(rb"\A(?:\xef\xbb\xbf)+")
_HEAD_BYTES = 8000
#: The minimum of readable ASCII characters for each control character (damage in a row).
_NO_TEXT_SHARE = 20
#: Text encodings in Python that no file uses.
_NO_TEXT = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem"})
#: Encodings whose byte order only a byte order mark shows.
_ORDERLESS = frozenset({"utf-16", "utf-32"})
PROPOSED = "windows-1252"
_EXAMPLES, _AROUND = 2, 20
_ERRORS = "uploader.visible"
_ESCAPED = 0xDC00  # lone surrogates, as in Python's surrogateescape, but for any byte


def marks_at_start(sample: bytes) -> int:
    """The length of the byte order marks in UTF-8 at the start: some programs add one to the one there."""
    return len(sample) - len(_MARKS.sub(b"", sample, count=1))


def normal_name(name: str) -> str:
    """The canonical name of an encoding. ValueError, with a text for the user, if unknown."""
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError) as error:
        raise ValueError(
            f"{name!r} is not an encoding such as windows-1252, iso-8859-15 or utf-16"
        ) from error
    if info.name in _NO_TEXT or not info._is_text_encoding:  # noqa: SLF001  # no public way to ask
        raise ValueError(f"{name!r} is not an encoding of text files, such as windows-1252")
    return UTF8 if info.name in {"utf-8", "utf-8-sig", "ascii"} else info.name


def encoding_of(name: str, sample: bytes, given: str | None) -> str:
    """The encoding of a source, from its beginning; UTF8 is "". `given`: by `--encoding`."""
    bom = next((encoding for mark, encoding in _BOMS if sample.startswith(mark)), None)
    found = bom or _wide(sample)
    if given is not None:
        _refuse_contradiction(name, sample, given, found)
        if found is None and given in _ORDERLESS:
            raise SourceError(
                f"{name}: has no byte order mark, so the byte order is unknown; use --encoding {given}-le or "
                f"{given}-be"
            )
        return found or given
    if found is not None:
        if found.startswith("utf-32") and bom is None:
            raise SourceError(f"{name}: looks like UTF-32 without a byte order mark; use --encoding {found}")
        return found
    if b"\0" not in sample[:_HEAD_BYTES]:  # else it is no text
        _refuse_other(name, sample)
    return UTF8


def _wide(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, detected by the NUL bytes of ASCII; else None."""
    head = sample[:_HEAD_BYTES]
    return (_utf16(head) or _utf32(head)) if b"\0" in head else None


def _utf16(head: bytes) -> str | None:
    """UTF-16 in the byte order that gives more line ends, then more ASCII; None if neither is text."""
    head = head[: len(head) // 2 * 2]
    rated = sorted((_rate_utf16(head, encoding), encoding) for encoding in ("utf-16-le", "utf-16-be"))
    (other, _), (best, encoding) = rated
    return encoding if best > other else None


def _rate_utf16(head: bytes, encoding: str) -> tuple[int, int]:
    """The numbers of line ends and ASCII characters; at most (0, 0) if it is no text in this encoding."""
    text = head.decode(encoding, "surrogatepass")
    ends, readable = sum(map(text.count, "\r\n")), sum(map(_is_readable_ascii, text))
    no_text = sum(map(_is_no_text, text[:-1]))  # the last character may be incomplete
    is_structured = ends or text.lstrip()[:1] in ("[", "{") or readable * 2 > len(text)
    if not is_structured or no_text * _NO_TEXT_SHARE > readable:
        return 0, 0
    if _looks_like_utf8(head):
        high, low = (head[1::2], head[::2]) if encoding == "utf-16-le" else (head[::2], head[1::2])
        inside_characters = sum(map(head.count, (b"\r", b"\n"))) - ends
        if high.count(0) <= low.count(0) + inside_characters:
            return 0, 0
    return ends, readable


def _looks_like_utf8(head: bytes) -> bool:
    """Whether the text without its NUL bytes may be UTF-8, so that these are damage."""
    rest = head.translate(None, b"\0")
    controls = sum(byte < 0x20 for byte in rest)
    spacing = sum(map(rest.count, (b"\t", b"\r", b"\n")))
    # In UTF-16 Gurmukhi letters contain 0x0A; real lines are not that short.
    if controls > spacing or spacing * 3 >= len(rest):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(rest)
    except UnicodeDecodeError:
        return False
    return True


def _is_readable_ascii(character: str) -> bool:
    return " " <= character <= "~" or character in "\t\r\n"


def _is_no_text(character: str) -> bool:
    """Whether a character is a control character, a lone surrogate or a swapped byte order mark."""
    return (
        (character < " " and character not in "\t\r\n")
        or "\ud800" <= character <= "\udfff"
        or character in "\ufffe\uffff"
    )


def _utf32(head: bytes) -> str | None:
    """UTF-32 if the text decodes as such: hardly any other bytes are valid code points; else None."""
    for encoding in ("utf-32-le", "utf-32-be"):
        with suppress(UnicodeDecodeError):
            text = head[: len(head) // 4 * 4].decode(encoding)
            has_lines = "\n" in text or "\r" in text or text[:1] in ("[", "{")
            if has_lines and not any(map(_is_no_text, text)):
                return encoding
    return None


def _refuse_contradiction(name: str, sample: bytes, given: str, found: str | None) -> None:
    """SourceError if the encoding that the user gave would garble the text."""
    if found is not None and given not in (found, found[: len("utf-16")]):
        raise SourceError(f"{name}: is {found.upper()}, not {given or 'UTF-8'}; leave --encoding out")
    if given == UTF8:
        _refuse_other(name, sample)
    elif found is None and not sample.isascii() and _is_of_single_bytes(given):
        try:
            sample.decode()
        except UnicodeDecodeError:
            return
        raise SourceError(f"{name}: is UTF-8, and cannot be read as {given}; leave --encoding out")


def _is_of_single_bytes(encoding: str) -> bool:
    return len("é中あ".encode(encoding, "replace")) == 3


def _refuse_other(name: str, sample: bytes) -> None:
    """SourceError if most non-ASCII lines are not UTF-8. A single one may be a broken row."""
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
            foreign.append((str(number), line))
    if len(foreign) > max(1, good):
        raise SourceError(not_utf8_text(name, foreign))


def not_utf8_text(name: str, lines: list[tuple[str, bytes]]) -> str:
    """The error text, with examples: a few characters around the first invalid one of a line."""
    shown = [f"line {number} as {around(line)!r}" for number, line in lines[:_EXAMPLES]]
    return (
        f"{name}: is not UTF-8 (line {lines[0][0]}). As {PROPOSED} it would be {' and '.join(shown)}: if "
        f"that is right, use --encoding {PROPOSED}; else use the encoding of the program that wrote the "
        "file"
    )


def around(line: bytes) -> str:
    """A few characters around the first byte of a line that is not ASCII, as in the proposed encoding."""
    first = next((i for i, byte in enumerate(line) if byte > 0x7F), 0)
    return line[max(0, first - _AROUND) : first + _AROUND].decode(PROPOSED, "replace").strip()


def utf8(blocks: Iterator[bytes], encoding: str, *, complete: bool = True) -> Iterator[bytes]:
    """The content in UTF-8, in blocks up to three times as long. Not `complete`: it may end anywhere."""
    if encoding == UTF8:
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)(_ERRORS)
    for block in blocks:
        if text := decoder.decode(block):
            yield text.encode(errors="surrogatepass")
    if complete and (text := decoder.decode(b"", final=True)):
        yield text.encode(errors="surrogatepass")


def _keep_visible(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    broken = error.object[error.start : error.end]
    return "".join(chr(_ESCAPED + byte) for byte in broken), error.end


codecs.register_error(_ERRORS, _keep_visible)
