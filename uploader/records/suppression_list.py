"""A suppression list: addresses that must not be written to, kept as digests.

In    lines of a list: addresses, or the SHA-256 of lower-cased ones in hex; addresses and cells of rows.
Out   whether an address is on the list. The addresses themselves are not kept, so they cannot be shown.
Raise `ValueError` for a line that is neither; its text contains no address.
Rules `strip().lower()` is compared, without invisible characters (byte order mark, zero-width space). 16
      bytes of each digest are kept: with a billion addresses, the odds that another address is taken for one
      of them are 1 to 10**29. A line with an address in wrapping ('bob@x.com', mailto:bob@x.com) is refused:
      its digest would match no address.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import accumulate
from struct import Struct

from uploader.records.values.email import plausible_email

_BYTES = 16
_DIGEST = Struct(f"{_BYTES}s")
_HEX = re.compile(r"[0-9a-fA-F]{64}")
#: What separates several addresses in one cell.
_BETWEEN = re.compile(r"[\s,;:|<>\"'`()\[\]]+")
#: An address with nothing around it.
_BARE = re.compile(r"[^:`\[\]|]+@[\w.-]*\w")
#: What a heading of such a list contains, in several languages.
_HEADING = re.compile(r"mail|addres|adres|sha.?256|hash|contact|subscriber|correo|courriel", re.IGNORECASE)


def digest_of(address: str) -> bytes:
    return sha256(_visible(address).strip().lower().encode(errors="surrogatepass")).digest()[:_BYTES]


def _visible(text: str) -> str:
    if text.isascii():
        return text
    return "".join(character for character in text if unicodedata.category(character) != "Cf")


def _is_bare(text: str) -> bool:
    return plausible_email(text) and _BARE.fullmatch(text) is not None


class Suppression:
    """Addresses that must not be written to. Immutable; 17 bytes for each address."""

    __slots__ = ("_digests", "_starts", "files")

    def __init__(self, digests: Iterable[bytes], files: tuple[str, ...] = ()) -> None:
        """`digests`: made by `digest_of` or `read_entry`, in any order; `files`: where they come from."""
        # By their first byte apart, so that only a small part of them is ever held as objects.
        heaps = [bytearray() for _ in range(256)]
        for digest in digests:
            heaps[digest[0]] += digest
        parts = []
        for heap in heaps:
            parts.append(b"".join(one for (one,) in sorted(set(_DIGEST.iter_unpack(heap)))))
            heap.clear()
        self._digests = b"".join(parts)
        del parts
        self._starts = _starts(self._digests)
        self.files = files

    @classmethod
    def of(cls, addresses: Iterable[str]) -> "Suppression":
        """Make a list from addresses or digests in hex, such as the lines of a file."""
        return cls(read_entries(addresses))

    def __len__(self) -> int:
        return len(self._digests) // _BYTES

    def __repr__(self) -> str:
        return f"Suppression({len(self):,} addresses)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Suppression) and self._digests == other._digests

    def __hash__(self) -> int:
        return hash(self._digests)

    def __contains__(self, address: str) -> bool:
        return self.has(digest_of(address))

    def has(self, digest: bytes) -> bool:
        first = digest[0] << 8 | digest[1]
        begin, end = self._starts[first] * _BYTES, self._starts[first + 1] * _BYTES
        while (at := self._digests.find(digest, begin, end)) >= 0:
            if at % _BYTES == 0:
                return True
            begin = at + 1
        return False

    def holds(self, text: str) -> bool:
        """Whether one of the addresses in a cell is on the list."""
        if not text or "@" not in text:
            return False
        if text in self:
            return True
        return not _is_bare(text.strip()) and any(part in self for part in _BETWEEN.split(text))

    @property
    def fingerprint(self) -> str:
        """A text that is the same for the same addresses, whatever their form and order."""
        return f"{len(self):,} addresses, {sha256(self._digests).hexdigest()[:32]}"


def _starts(digests: bytes) -> Sequence[int]:
    """Return for each two first bytes how many digests come before."""
    counts = [0] * (1 << 16)
    for first, second in zip(digests[::_BYTES], digests[1::_BYTES], strict=True):
        counts[first << 8 | second] += 1
    return array("Q", accumulate(counts, initial=0))


def read_entries(lines: Iterable[str]) -> Iterator[bytes]:
    """Yield the digests of a list's lines. ValueError gives the number of a line that is no entry."""
    may_be_heading = True
    for number, line in enumerate(lines, 1):
        try:
            digest = read_entry(line, may_be_heading=may_be_heading)
        except ValueError as error:
            other = ", nor a known heading" if may_be_heading else ""
            raise ValueError(f"line {number} {error}{other}") from None
        may_be_heading = may_be_heading and _is_silent(line)
        if digest is not None:
            yield digest


def read_entry(line: str, *, may_be_heading: bool = False) -> bytes | None:
    """Return the digest of a line of a list, or of a CSV by its first cell; None if it names no address."""
    cell = _first_cell(_visible(line))
    if _is_bare(cell):
        return digest_of(cell)
    if _HEX.fullmatch(cell):
        return bytes.fromhex(cell)[:_BYTES]
    if _is_silent(line) or (may_be_heading and "@" not in cell and _HEADING.search(cell)):
        return None
    raise ValueError("is neither an e-mail address nor the SHA-256 of one in hex")


def _is_silent(line: str) -> bool:
    """Whether a line is blank or a comment."""
    text = line.strip()
    return not text or text.startswith("#")


def _first_cell(line: str) -> str:
    """Return the first cell of a line. Each line is read separately, so that a stray quote affects no
    other line.
    """
    text = line.strip()
    if text.startswith('"'):
        cell, _, rest = text[1:].partition('"')
        return cell.strip() if not rest.strip() or rest.lstrip()[0] in ",;\t" else text
    return re.split(r"[,;\t]", text, maxsplit=1)[0].strip()
