"""A ZIP archive with one data file in it, as HubSpot and Salesforce export: its bytes, unpacked.

Blocks are bounded whatever the ratio. An Excel file is a ZIP archive, too, recognised by its members' names.
"""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from uploader.errors import SourceError
from uploader.sources.bytes.byte_source import BLOCK_BYTES
from uploader.sources.foreign import refuse_foreign_archive
from uploader.sources.unreadable_reasons import in_a_line, printable

_WORKBOOK = "xl/workbook.xml"
_LISTED = 5


def members(name: str, handle: BinaryIO) -> list[str]:
    try:
        with zipfile.ZipFile(handle) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise SourceError(
            f"{name}: the ZIP archive is damaged or cut off ({in_a_line(error)}); copy it again"
        ) from error


def is_workbook(names: list[str]) -> bool:
    return _WORKBOOK in names


def only_member(name: str, names: list[str]) -> str:
    """The name of the one data file, without directories and files of file managers. SourceError."""
    refuse_foreign_archive(name, names)
    files = [
        member
        for member in names
        if not member.endswith("/")
        and not member.startswith("__MACOSX/")
        and member.rpartition("/")[2][:1] != "."
        and member.rpartition("/")[2] not in {"Thumbs.db", "desktop.ini"}
    ]
    if len(files) != 1:
        more = f" and {len(files) - _LISTED} more" if len(files) > _LISTED else ""
        inside = (
            f"contains {len(files)} files ({printable(', '.join(files[:_LISTED]))}{more})"
            if files
            else "contains no file"
        )
        raise SourceError(
            f"{name}: the ZIP archive {inside}, but must contain exactly one; unpack it and give the files"
        )
    return files[0]


class Member:
    """Reads the content of one member from front to back."""

    def __init__(self, name: str, handle: BinaryIO, member: str) -> None:
        self._name = name
        self._handle = handle
        self._member = member
        self._size = handle.seek(0, 2)

    @property
    def position(self) -> int:
        """Bytes of the archive read so far; the list of members at its end is read first."""
        return 0 if self._handle.closed else min(self._handle.tell(), self._size)

    def blocks(self) -> Iterator[bytes]:
        given = 0
        try:
            with zipfile.ZipFile(self._handle) as archive, archive.open(self._member) as content:
                while block := content.read(BLOCK_BYTES):
                    given += len(block)
                    yield block
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
            raise SourceError(
                f"{self._name}: the ZIP archive is damaged, after byte {given:,} of its content "
                f"({in_a_line(error)}); copy or compress it again"
            ) from error
        except NotImplementedError as error:
            raise SourceError(
                f"{self._name}: the compression is not supported ({in_a_line(error)}); unpack it"
            ) from error
        except RuntimeError as error:  # the library raises this if a password is needed
            raise SourceError(f"{self._name}: needs a password; unpack it and give the file in it") from error
