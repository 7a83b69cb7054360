"""Rows of texts as an Excel workbook: one sheet, written row by row.

Every cell is a text, and is formatted as one, so that Excel changes neither what is there nor what is typed
over it. The workbook is private (0600) and is removed if writing fails.

Needs  The extra `xlsx`, openpyxl.
Memory One row; the sheet goes to a temporary file (TMPDIR) until it is packed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from uploader.errors import SettingsError, StorageError
from uploader.system.installation import install_extra
from uploader.system.private_files import create_private

#: What a cell, and a sheet, can hold.
MOST_CHARACTERS, MOST_ROWS, MOST_COLUMNS = 32_767, 1_048_576, 16_384
#: Characters that XML does not hold, and texts that look like the escape of one: `_x000D_`.
_ESCAPED = re.compile(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_TEXT_FORMAT = "@"
_WIDTH, _WIDEST = 16, 60


def need_openpyxl(output: Path) -> None:
    """SettingsError if workbooks cannot be written."""
    try:
        import openpyxl  # noqa: F401, PLC0415  # only workbooks need it
    except ImportError:
        raise SettingsError(
            f"-o {output}: writing Excel files needs the extra `xlsx`: {install_extra('xlsx')}"
        ) from None


def escaped(text: str) -> str:
    """The text as a cell holds it. Excel and `upload` read it back as it was."""
    return _ESCAPED.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def write_workbook(
    path: Path, sheet: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, wide: Sequence[str] = ()
) -> int:
    """Write a new file with one sheet, the columns above the rows; the number of rows. `wide`: columns of
    sentences.

    SettingsError if a sheet cannot hold them, StorageError if the disk fails.
    """
    from openpyxl import Workbook  # noqa: PLC0415
    from openpyxl.utils import get_column_letter  # noqa: PLC0415

    if len(columns) > MOST_COLUMNS:
        raise SettingsError(f"an Excel sheet holds {MOST_COLUMNS:,} columns, and these are {len(columns):,}")
    book = Workbook(write_only=True)
    made = book.create_sheet(sheet)
    made.freeze_panes = "A2"
    for number, name in enumerate(columns, 1):
        column = made.column_dimensions[get_column_letter(number)]
        column.width = _WIDEST if name in wide else _WIDTH
        column.number_format = _TEXT_FORMAT
    try:
        descriptor = create_private(path, is_new=True)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor
            count, cells = 0, [_cell(made) for _ in columns]
            for row in _at_most(MOST_ROWS, chain([columns], rows)):
                made.append(_filled(cells, row))
                count += 1
            made.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{count}"
            book.save(file)
    except BaseException as error:
        path.unlink(missing_ok=True)  # half of it would pass for all
        _discard(made)
        if isinstance(error, OSError):
            raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
        raise
    return count - 1


def _discard(sheet: Any) -> None:  # noqa: ANN401  # of a library without types
    """Remove the temporary file of a sheet that is not to be saved."""
    with suppress(Exception):  # whatever it lacks: the error that led here is raised
        sheet.close()
    with suppress(AttributeError, OSError):
        sheet._writer.cleanup()  # noqa: SLF001  # else it stays until the process ends


def _at_most(most: int, rows: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
    """The rows with the header. SettingsError if there are more."""
    for number, row in enumerate(rows):
        if number >= most:
            raise SettingsError(
                f"an Excel sheet holds {most - 1:,} rows, and there are more; use -o FILE.csv"
            )
        yield row


def _cell(sheet: Any) -> Any:  # noqa: ANN401
    """A cell for the texts of a column. Its format takes long to find, so it serves all rows."""
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415

    cell = WriteOnlyCell(sheet)
    cell.number_format = _TEXT_FORMAT
    return cell


def _filled(cells: list[Any], texts: Sequence[str]) -> list[Any]:
    for cell, text in zip(cells, texts, strict=True):
        cell.value = escaped(text)
        cell.data_type = "s"  # also of `=1+1` and `#N/A`
    return cells
