"""Parquet: columns to cells, a few hundred rows at a time.

Text      Integers and decimals exactly, floats by their shortest text, as `cell_text.spell_number` writes
          them; `true` and `false`; dates and times in ISO 8601, in UTC with a `Z` if the zone is known,
          others without; lists of plain values joined by `;`, as in HubSpot; null is blank.
          Unreadable: nested values, NaN and infinities, bytes that are no text, a `;` inside a list.
Memory    Pages are read when needed, never a whole row group, and rows in batches of a slice. A damaged
          page can claim up to 2 GB, which Arrow allocates before it sees the end.
Needs     The extra `parquet`, pyarrow.
"""

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from uploader.errors import SourceError
from uploader.model.rows import Fault
from uploader.records.values.lists import join_list
from uploader.sources.formats.cell_text import spell_float, spell_moment, spell_number
from uploader.sources.formats.csv_header import name_columns
from uploader.sources.formats.rows_of_cells import Cells, UnreadableValue
from uploader.sources.source import SLICE_BYTES
from uploader.sources.unreadable_reasons import in_a_line
from uploader.system.installation import install_extra

_PAGE_BYTES = 256 * 1024
_BATCH_ROWS = 500

Spell = Callable[[Any], str | UnreadableValue]
_NESTED = UnreadableValue("is nested; write nested values as columns of their own")


def _arrow() -> Any:  # noqa: ANN401  # a module without types
    try:
        import pyarrow as pa  # noqa: PLC0415  # only sources that need it pay for it
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise SourceError(f"reading Parquet needs the extra `parquet`: {install_extra('parquet')}") from None
    return pa


class ParquetTable:
    """A `Table`."""

    sheet = ""
    notices: tuple[str, ...] = ()
    first = 1

    def __init__(self, name: str, handle: BinaryIO) -> None:
        self._name = name
        file = self._open(handle)
        self.columns = name_columns(file.schema_arrow.names)
        self.declared_rows: int | None = file.metadata.num_rows
        if not self.columns:
            raise SourceError(f"{name}: is a Parquet file without columns")
        if not self.declared_rows:
            raise SourceError(f"{name}: is a Parquet file without rows")

    def _open(self, handle: BinaryIO) -> Any:  # noqa: ANN401
        arrow = _arrow()
        try:
            return arrow.parquet.ParquetFile(
                handle, buffer_size=_PAGE_BYTES, pre_buffer=False, page_checksum_verification=True
            )
        except (arrow.ArrowException, OSError, ValueError) as error:
            raise SourceError(
                f"{self._name}: is an incomplete or damaged Parquet file ({in_a_line(error)}); copy or "
                "write it again"
            ) from error

    def rows(self, handle: BinaryIO, number: int) -> Iterator[tuple[int, Cells]]:
        arrow = _arrow()
        file = self._open(handle)
        done, groups = 0, list[int]()
        for index in range(file.num_row_groups):
            rows = file.metadata.row_group(index).num_rows
            if groups or done + rows >= number:
                groups.append(index)
            else:
                done += rows
        spells = [_column(arrow, field.type) for field in file.schema_arrow]
        at = done + 1
        try:
            if not groups:
                return
            batches = file.iter_batches(_batch_rows(file), row_groups=groups, use_threads=False)
            for batch in batches:
                if at + batch.num_rows > number:
                    columns = [spell(column) for spell, column in zip(spells, batch.columns, strict=True)]
                    for row in zip(*columns, strict=True):
                        if at >= number:
                            yield at, list(row)
                        at += 1
                else:
                    at += batch.num_rows
        except (arrow.ArrowException, OSError, ValueError) as error:
            raise SourceError(
                f"{self._name}: the Parquet file is damaged after row {at - 1:,} ({in_a_line(error)}); copy "
                "or write it again"
            ) from error


def _batch_rows(file: Any) -> int:  # noqa: ANN401
    """The number of rows that are decoded at once, limited by bytes, too."""
    metadata = file.metadata
    groups = range(metadata.num_row_groups)
    size = sum(int(metadata.row_group(index).total_byte_size) for index in groups)
    return max(1, min(_BATCH_ROWS, SLICE_BYTES * 4 * int(metadata.num_rows) // max(1, size)))


def _column(arrow: Any, kind: Any) -> Callable[[Any], list[str | UnreadableValue]]:  # noqa: ANN401
    """The function that converts a column of this type to text."""
    types = arrow.types
    if types.is_dictionary(kind):
        inner = _column(arrow, kind.value_type)
        return lambda column: inner(column.dictionary_decode())
    if types.is_integer(kind) or types.is_boolean(kind) or types.is_date(kind) or types.is_time(kind):
        target = arrow.date32() if types.is_date(kind) else kind
        return lambda column: _nulls_as_blanks(column.cast(target).cast(arrow.string()).to_pylist())
    if types.is_timestamp(kind):
        # Cast to no zone, in UTC: Arrow then needs no zone database.
        bare, is_zoned = arrow.timestamp(kind.unit), kind.tz is not None
        return lambda column: [
            "" if text is None else spell_moment(text, is_zoned=is_zoned)
            for text in column.cast(bare).cast(arrow.string()).to_pylist()
        ]
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return lambda column: _texts(arrow, column)
    spell = _cell(arrow, kind)
    return lambda column: ["" if value is None else spell(value) for value in column.to_pylist()]


def _nulls_as_blanks(texts: list[str | None]) -> list[str | UnreadableValue]:
    return ["" if text is None else text for text in texts]


def _texts(arrow: Any, column: Any) -> list[str | UnreadableValue]:  # noqa: ANN401
    try:
        return _nulls_as_blanks(column.to_pylist())
    except UnicodeDecodeError:  # writers do not check the encoding
        return ["" if value is None else _decode(value) for value in column.cast(arrow.binary()).to_pylist()]


def _cell(arrow: Any, kind: Any) -> Spell:  # noqa: ANN401, C901, PLR0911
    """The function that converts one value that is not null to text."""
    types = arrow.types
    if types.is_floating(kind):
        return _short_float(arrow, kind)
    if types.is_decimal(kind):
        return lambda value: spell_number(str(value))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        inner = _cell(arrow, kind.value_type)
        if types.is_nested(kind.value_type):
            return lambda _: _NESTED
        return lambda value: _join([inner(one) for one in value if one is not None])
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return _decode
    if types.is_boolean(kind):
        return lambda value: "true" if value else "false"
    if types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind):
        return str
    if types.is_date(kind) or types.is_time(kind) or types.is_timestamp(kind):
        spell = _column(arrow, kind)
        return lambda value: spell(arrow.array([value], kind))[0]
    if types.is_dictionary(kind):
        return _cell(arrow, kind.value_type)
    if isinstance(kind, arrow.BaseExtensionType):
        return str if str(kind.extension_name) == "arrow.uuid" else _cell(arrow, kind.storage_type)
    if types.is_struct(kind) or types.is_map(kind) or types.is_union(kind):
        return lambda _: _NESTED
    return lambda _: UnreadableValue(f"has the type {kind}, which is not supported; write it as text")


def _short_float(arrow: Any, kind: Any) -> Spell:  # noqa: ANN401
    """The shortest text of a float of lower precision; as a Python float 0.1 is 0.10000000149011612."""
    if arrow.types.is_float64(kind):
        return spell_float
    single = arrow.float32()
    return lambda value: spell_float(float(arrow.scalar(value, single).cast(arrow.string()).as_py()))


def _decode(value: bytes) -> str | UnreadableValue:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return UnreadableValue("holds bytes that are not UTF-8 text")


def _join(texts: list[str | UnreadableValue]) -> str | UnreadableValue:
    for text in texts:
        if isinstance(text, UnreadableValue):
            return text
    joined = join_list(list(map(str, texts)))
    return UnreadableValue(joined.reason) if isinstance(joined, Fault) else joined
