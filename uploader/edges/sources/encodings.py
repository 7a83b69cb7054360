"""Which encoding a source's text is in, and the way from there to UTF-8, in which everything behind reads it.

Rules   A byte order mark is certain, and so are the NUL bytes that UTF-16 puts into Latin text. An 8-bit
        encoding shows in no byte: it is proposed, with what the text would read as, and never acted on.
        What can't be decoded stays visible as such: each of its bytes becomes half a surrogate pair, which
        is no UTF-8, so that its row is unreadable and no other.
"""

import codecs
from collections.abc import Iterator

from uploader.edges.sources.lines import find_line_end
from uploader.errors import SourceError

UTF8_BOM = b"\xef\xbb\xbf"
UTF8 = ""  #: the encoding that needs no decoding

_BOMS = (  # the longer first: UTF-32's begins with UTF-16's
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_HEAD_BYTES = 8000
#: Python calls these text encodings; no file is in one.
_NO_TEXT = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem"})
#: Encodings that leave it to a byte order mark which of two they are.
_ORDERLESS = frozenset({"utf-16", "utf-32"})
_PROPOSED = "windows-1252"
_EXAMPLES, _AROUND = 2, 20
_ERRORS = "uploader.visible"
_ESCAPED = 0xDC00  # half a surrogate pair, as Python's own surrogateescape has it, but for any byte


def normal_name(said: str) -> str:
    """An encoding's one name; ValueError, with a text for the user, where there is none."""
    try:
        info = codecs.lookup(said)
    except (LookupError, ValueError) as error:
        raise ValueError(
            f"{said!r} is no encoding; say one such as windows-1252, iso-8859-15 or utf-16"
        ) from error
    if info.name in _NO_TEXT or not info._is_text_encoding:  # noqa: SLF001  # no public way to ask
        raise ValueError(f"{said!r} is no encoding of text files; say one such as windows-1252")
    return UTF8 if info.name in {"utf-8", "utf-8-sig", "ascii"} else info.name


def encoding_of(name: str, sample: bytes, said: str | None) -> str:
    """The encoding of a source that begins so; UTF8 ("") where that is it. `said`: by `--encoding`."""
    bom = next((encoding for mark, encoding in _BOMS if sample.startswith(mark)), None)
    found = bom or _wide(sample)
    if said is not None:
        _refuse_contradiction(name, sample, said, found)
        if found is None and said in _ORDERLESS:
            raise SourceError(
                f"{name}: has no byte order mark, so nobody can tell which {said.upper()} it is; "
                f"say --encoding {said}-le or {said}-be"
            )
        return found or said
    if found is not None:
        if found.startswith("utf-32") and bom is None:
            raise SourceError(f"{name}: looks like UTF-32 without a byte order mark; say --encoding {found}")
        return found
    if b"\0" not in sample[:_HEAD_BYTES]:  # else it is no text at all
        _refuse_other(name, sample)
    return UTF8


def _wide(sample: bytes) -> str | None:
    """By NUL bytes: every other byte of Latin text is one in UTF-16, three out of four are in UTF-32."""
    head = sample[: min(_HEAD_BYTES, len(sample)) // 4 * 4]
    if not head:
        return None
    nuls = [head[start::4].count(0) / (len(head) // 4) for start in range(4)]
    even, odd = (nuls[0] + nuls[2]) / 2, (nuls[1] + nuls[3]) / 2
    if min(even, odd) > 0.4 and max(even, odd) > 0.9:
        return "utf-32-le" if nuls[3] > 0.9 and nuls[0] < 0.5 else "utf-32-be"
    if min(even, odd) < 0.1 and max(even, odd) > 0.7:
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def _refuse_contradiction(name: str, sample: bytes, said: str, found: str | None) -> None:
    """The user's word counts where bytes leave room for it, and not where it would mangle the text."""
    if found is not None and said not in (found, found[: len("utf-16")]):
        raise SourceError(f"{name}: is {found.upper()}, not {said or 'UTF-8'}; leave --encoding out")
    if said == UTF8:
        _refuse_other(name, sample)
    elif found is None and not sample.isascii() and _is_of_single_bytes(said):
        try:
            sample.decode()
        except UnicodeDecodeError:
            return
        raise SourceError(
            f"{name}: is UTF-8, and would be mangled if it were read as {said}; leave --encoding out"
        )


def _is_of_single_bytes(encoding: str) -> bool:
    return len("é中あ".encode(encoding, "replace")) == 3


def _refuse_other(name: str, sample: bytes) -> None:
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
            foreign.append((str(number), line))
    if len(foreign) > max(1, good):
        raise SourceError(not_utf8_text(name, foreign))


def not_utf8_text(name: str, lines: list[tuple[str, bytes]]) -> str:
    """What to say, by examples: a few characters around the first of each line that shows it."""
    shown = [f"line {number} as {_around(line)!r}" for number, line in lines[:_EXAMPLES]]
    return (
        f"{name}: is not UTF-8 (line {lines[0][0]}). As {_PROPOSED} it would read {' and '.join(shown)}: "
        f"if that is right, say --encoding {_PROPOSED}; else say the encoding of the program that wrote it"
    )


def _around(line: bytes) -> str:
    first = next((i for i, byte in enumerate(line) if byte > 0x7F), 0)
    return line[max(0, first - _AROUND) : first + _AROUND].decode(_PROPOSED, "replace").strip()


def utf8(blocks: Iterator[bytes], encoding: str, *, complete: bool = True) -> Iterator[bytes]:
    """The content in UTF-8, in blocks up to three times as long; unless `complete`, cut anywhere."""
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
