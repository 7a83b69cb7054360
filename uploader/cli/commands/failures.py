"""`uploader failures`: write the failed rows to a file that `upload` accepts."""

import csv
import os
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TextIO

import click
import orjson

from uploader.cli.logs import print_message
from uploader.cli.output import rows_out
from uploader.cli.project_file import checkpoint_argument, job_words, project_of
from uploader.cli.text.next_command import command_line, seen_from
from uploader.cli.text.upload_again import unnamed_files, upload_again_command
from uploader.cli.workbook import MOST_CHARACTERS, escaped, need_openpyxl, write_workbook
from uploader.errors import SettingsError, StorageError
from uploader.model.column_names import folded
from uploader.option_files.mapping import read_mapping
from uploader.records.columns import OWN_PREFIX, TO_LOOK_AT
from uploader.records.fields import flat_fields, own_key, spell
from uploader.records.mapping_file import MappingFile
from uploader.records.values.convert import setting_of
from uploader.records.values.numbers import differs_with_commas, marks_of
from uploader.report.content import values_of, without_values
from uploader.sources.open import read_row_again
from uploader.storage.checkpoint import Checkpoint, Identity
from uploader.storage.checkpoint_tables.failed_and_pending_rows import DeadLetter
from uploader.storage.failed_rows import KINDS, Kind, failed_row
from uploader.storage.file_names import unused
from uploader.system.private_files import create_private

#: Columns that `upload` ignores, except uploader_superseded, which makes it skip a row.
_OWN = (
    "uploader_row",
    "uploader_source",
    "uploader_outcome",
    "uploader_category",
    "uploader_message",
    "uploader_attempts",
    "uploader_correlation_id",
    "uploader_existing_id",
    "uploader_superseded",
    "uploader_raw",
)
#: The first columns of a workbook.
_REASONS = ("uploader_category", "uploader_message", "uploader_outcome", "uploader_row", "uploader_source")
_NDJSON, _WORKBOOK = frozenset({".ndjson", ".jsonl"}), ".xlsx"
#: Number of reasons that are shown; all others are counted as one.
_TOP_REASONS = 5


@click.command()
@checkpoint_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File to write, .csv, .xlsx or .ndjson. Default: CSV on stdout.",
)
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    default="all",
    show_default=True,
    help="transient: abandoned rows, which may succeed unchanged. permanent: rejected and invalid rows, to "
    "be corrected first, and all other failed rows with their keys.",
)
@click.option(
    "--spreadsheet-safe",
    is_flag=True,
    help="Escape formulas, for a spreadsheet program; upload does not accept such a file.",
)
def command(checkpoint: Path, *, output: Path | None, kind: Kind, spreadsheet_safe: bool) -> int:
    """Write the rejected, invalid and abandoned rows, with their source columns and the reason.

    Correct the file and upload it: upload ignores the uploader_* columns, and skips rows whose key a later
    row has written since (uploader_superseded) unless --include-superseded is given. CSV is written in UTF-8
    with the delimiter of the (first) source. In a workbook (.xlsx) the reasons are the first columns, and all
    cells are texts, which Excel does not change.
    """
    as_ndjson = output is not None and output.suffix.lower() in _NDJSON
    as_workbook = output is not None and output.suffix.lower() == _WORKBOOK
    if spreadsheet_safe and as_workbook:
        raise SettingsError("leave --spreadsheet-safe out: all cells of a workbook are texts, not formulas")
    if spreadsheet_safe and as_ndjson:
        raise SettingsError("--spreadsheet-safe works with CSV only")
    if output is not None:
        _check_output(output)
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
        identity, repeated = opened.identity(), seen_from(Path.cwd(), opened.repeated_options())
        has_ended = opened.state().state == "complete"
        with opened.as_of_now():
            if as_workbook and output is not None:
                count = _write_workbook(opened, KINDS[kind], output)
            else:
                with _writing(output) as stream:
                    if as_ndjson:
                        count = _write_ndjson(opened, KINDS[kind], stream)
                    else:
                        if output is not None and _has_mark(checkpoint, identity):
                            stream.write("\ufeff")
                        delimiter = _delimiter(output, identity)
                        count = _write_csv(opened, KINDS[kind], stream, delimiter, is_safe=spreadsheet_safe)
    print_message(f"{count:,} failed rows{f', in {output}' if output else ''}")
    if count and not has_ended:
        print_message(
            "the job has not ended, and later rows may write the same contacts: wait for its end, and "
            "write this file again before you upload it"
        )
    elif output and count and not spreadsheet_safe:
        first = "upload them unchanged" if kind == "transient" else "correct them, then upload them"
        print_message(f"{first}{_upload_again(checkpoint, output, identity, repeated)}")
    return 0


def _check_output(path: Path) -> None:
    """SettingsError if failed rows cannot be written to this file."""
    if path.suffix.lower() not in {".csv", ".tsv", ".txt", _WORKBOOK, *_NDJSON}:
        raise SettingsError(f"-o {path}: the file name must end in .csv, .xlsx or .ndjson")
    if path.suffix.lower() == _WORKBOOK:
        need_openpyxl(path)
    if path.exists():
        raise SettingsError(f"{path} exists already; choose another file, such as {unused(path)}")


def _upload_again(
    checkpoint: Path, output: Path, identity: Identity, repeated: Mapping[str, Sequence[str]]
) -> str:
    """The command that uploads the file of failed rows, after a colon."""
    has_cells = output.suffix.lower() not in {_WORKBOOK, *_NDJSON}
    delimiter = _delimiter(output, identity) if has_cells else ""
    project = project_of(checkpoint, repeated)
    mapping = _mapping(repeated) or (project.mapping if project else None)
    again = upload_again_command(str(output), delimiter, identity, repeated, mapping, project=project)
    return f"{unnamed_files(identity, repeated, mapping)}: {again}"


def top_reasons(checkpoint: Path) -> list[tuple[str, int]]:
    """The most frequent reasons of failed rows, without values; then the number of all others."""
    reasons: Counter[str] = Counter()
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
        shapes = [source.shape for source in opened.identity().sources]
        for outcome, message, count, source, raw in opened.dead_letter_messages():
            values = values_of(read_row_again(shapes[source], raw), shapes[source].columns)
            reasons[f"{outcome}: {without_values(message, values)}"] += count
    found = reasons.most_common(_TOP_REASONS)
    others = reasons.total() - sum(count for _, count in found)
    return [*found, (_others_text(len(reasons) - _TOP_REASONS), others)] if others else found


def _others_text(reasons: int) -> str:
    return f"further rows, for {reasons:,} other {'reason' if reasons == 1 else 'reasons'}"


def failures_command(checkpoint: Path) -> str:
    """The command that writes the failed rows of a job to a file that can hold them."""
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
        identity, repeated = opened.identity(), seen_from(Path.cwd(), opened.repeated_options())
        tables = {place for place, source in enumerate(identity.sources) if source.shape.format == "csv"}
        others = (letter for letter in opened.dead_letters() if letter.source not in tables)
        has_commas = _column_test(opened.dead_letters(), identity)
        kept = "ndjson" if any(_why_no_cells(letter, identity, has_commas) for letter in others) else "csv"
    stem = checkpoint.stem.split(".")[0]
    fresh = unused(checkpoint.with_name(f"{stem}.failures.{kept}"))
    return command_line("failures", *job_words(checkpoint, repeated), "-o", fresh)


def _mapping(repeated: Mapping[str, Sequence[str]]) -> MappingFile | None:
    """The content of the job's mapping file; None without one, or if it cannot be read any more."""
    with suppress(SettingsError):
        for name in repeated.get("--mapping", ()):
            return read_mapping(Path(name))
    return None


def _delimiter(output: Path | None, identity: Identity) -> str:
    """The delimiter of the first source: a program that opens that file opens this one, too."""
    if output is not None and output.suffix.lower() == ".tsv":
        return "\t"
    return next((source.shape.delimiter for source in identity.sources if source.shape.delimiter), ",")


def _has_mark(checkpoint: Path, identity: Identity) -> bool:
    """Whether to begin the file with a byte order mark, by which spreadsheet programs recognise UTF-8.

    It is written if the first source is CSV in another encoding, or begins with one itself.
    """
    source = identity.sources[0]
    if source.shape.format != "csv" or source.shape.encoding:
        return source.shape.format == "csv"
    for path in (Path(source.name), checkpoint.parent / Path(source.name).name):
        if path.is_file():
            with suppress(OSError), path.open("rb") as file:
                return file.read(len(BOM_UTF8)) == BOM_UTF8
    return False


@contextmanager
def _writing(output: Path | None) -> Iterator[TextIO]:
    """A stream to the file, or to stdout. The file is removed if writing fails."""
    if output is None:
        yield rows_out()
        return
    try:
        descriptor = create_private(output, is_new=True)
    except OSError as error:
        raise StorageError(f"cannot write {output}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            yield stream
    except BaseException as error:
        output.unlink(missing_ok=True)  # half of it would pass for all
        if isinstance(error, OSError):
            raise StorageError(f"cannot write {output}: {error.strerror}") from error
        raise


def _write_csv(
    checkpoint: Checkpoint,
    admits: Callable[[DeadLetter], bool],
    stream: TextIO,
    delimiter: str,
    *,
    is_safe: bool,
) -> int:
    """Write the failed rows as CSV. `is_safe`: for a spreadsheet program, and not for `upload`.

    SettingsError if `upload` would read another row from the cells, unless `is_safe`.
    """
    identity = checkpoint.identity()
    columns = [*_columns(checkpoint, identity), *_OWN, *([TO_LOOK_AT] if is_safe else [])]
    cell = _safe_cell if is_safe else _cell
    lines = csv.DictWriter(stream, columns, restval="", lineterminator="\n", delimiter=delimiter)
    lines.writerow({name: cell(name) for name in columns})
    check = (lambda _: None) if is_safe else _cell_check(checkpoint, admits, identity)
    count = 0
    for letter in filter(admits, checkpoint.dead_letters()):
        check(letter)
        fields = flat_fields(_fields(letter, identity), str(identity.settings["id_property"]))
        lines.writerow({name: cell(value) for name, value in fields.items()})
        count += 1
    return count


def _write_workbook(checkpoint: Checkpoint, admits: Callable[[DeadLetter], bool], output: Path) -> int:
    """Write the failed rows as one sheet of texts, in file order.

    One sheet, not one a category: rows of one key are sent in the order of the sheet, and a corrected key may
    be that of a row of another category.
    SettingsError if `upload` would read another row from the cells.
    """
    identity = checkpoint.identity()
    columns = [*_REASONS, *(name for name in _OWN if name not in _REASONS), *_columns(checkpoint, identity)]
    check = _cell_check(checkpoint, admits, identity, in_workbook=True)

    def rows() -> Iterator[list[str]]:
        for letter in filter(admits, checkpoint.dead_letters()):
            check(letter)
            fields = flat_fields(_fields(letter, identity), str(identity.settings["id_property"]))
            yield [_text_of(name, fields.get(name), letter, identity) for name in columns]

    header = _renumbered(columns, identity)
    return write_workbook(output, "failed rows", header, rows(), wide=("uploader_message",))


def _renumbered(columns: Sequence[str], identity: Identity) -> list[str]:
    """The columns, of which those without a name are called by their number: the reasons move them."""
    settings = identity.settings
    named = {*settings.get("map", {}), *settings.get("ignore", ()), *settings.get("suppress_where", {})}
    named |= {one["column"] for one in settings.get("associate", ())}
    nameless = {
        name
        for source in identity.sources
        for number, name in enumerate(source.shape.columns, 1)
        if name == f"column {number}" and name not in named
    }
    return [f"column {number}" if name in nameless else name for number, name in enumerate(columns, 1)]


def _text_of(name: str, value: object, letter: DeadLetter, identity: Identity) -> str:
    """The text of a cell of a workbook. Reasons are cut; SettingsError for a longer text of the row."""
    text = _cell(value)
    if len(escaped(text)) <= MOST_CHARACTERS:
        return text
    if name.startswith(OWN_PREFIX):
        return f"{text[: MOST_CHARACTERS // 8]}..."
    raise SettingsError(
        f"{identity.sources[letter.source].name}, row {letter.row:,} has a text of {len(text):,} characters "
        f"in {name!r}, and an Excel cell holds {MOST_CHARACTERS:,}; use -o FILE.csv or FILE.ndjson"
    )


def _cell_check(
    checkpoint: Checkpoint,
    admits: Callable[[DeadLetter], bool],
    identity: Identity,
    *,
    in_workbook: bool = False,
) -> Callable[[DeadLetter], None]:
    """A function that raises SettingsError for a row from whose cells `upload` would read another row."""
    has_commas = _column_test(filter(admits, checkpoint.dead_letters()), identity, in_workbook=in_workbook)

    def check(letter: DeadLetter) -> None:
        if problem := _why_no_cells(letter, identity, has_commas, in_workbook=in_workbook):
            source = identity.sources[letter.source]
            kind = "Excel" if in_workbook else "CSV"
            other = "csv" if source.shape.format == "csv" else "ndjson"
            raise SettingsError(
                f"{source.name}, row {letter.row:,} {problem}, which {kind} cannot express; "
                f"use -o FILE.{other}"
            )

    return check


def _column_test(
    letters: Iterable[DeadLetter], identity: Identity, *, in_workbook: bool = False
) -> Callable[[str], bool]:
    """Whether `upload` reads a column of the failed rows as one of decimal commas, if they are cells."""
    decimals, shown = identity.settings.get("decimals", {}), set[str]()
    if any(source.shape.has_numbers is not in_workbook for source in identity.sources):
        for letter in letters:
            texts = _texts(letter, identity)
            shown.update(name for name, text in texts.items() if text and marks_of(text) == {","})
    return lambda column: (setting_of(column, decimals) or ("," if column in shown else ".")) == ","


def _texts(letter: DeadLetter, identity: Identity) -> dict[str, str | None]:
    """The texts of a failed row by column; None where it has a value without one."""
    flat = flat_fields(_fields(letter, identity), str(identity.settings["id_property"]))
    return {folded(name): spell(value) for name, value in flat.items() if not name.startswith(OWN_PREFIX)}


def _why_no_cells(
    letter: DeadLetter, identity: Identity, has_commas: Callable[[str], bool], *, in_workbook: bool = False
) -> str:
    """Why cells cannot hold a failed row; "" if they can. `has_commas`: of a column.

    A workbook has numbers of its own, which CSV has not: a text that is read as one is another number.
    """
    fields, texts = _fields(letter, identity), _texts(letter, identity)
    id_property = str(identity.settings["id_property"])
    nested = [name for name, text in texts.items() if text is None]
    if nested:
        return f"holds a list or an object in {nested[0]!r}"
    if identity.sources[letter.source].shape.has_numbers is not in_workbook:
        for name, text in texts.items():
            if text and has_commas(name) and differs_with_commas(text):
                return f"has a number with a point in {name!r}, a column of decimal commas"
    return "" if own_key(fields) in {"", id_property} else "has its own idProperty"


def _columns(checkpoint: Checkpoint, identity: Identity) -> list[str]:
    """The columns of all sources, and the fields of rows without a header, in order of appearance."""
    columns: dict[str, None] = {}
    for source in identity.sources:
        columns.update(dict.fromkeys(source.shape.columns))
    if any(not source.shape.columns for source in identity.sources):
        for letter in checkpoint.dead_letters():
            fields = flat_fields(_fields(letter, identity), str(identity.settings["id_property"]))
            columns.update(dict.fromkeys(fields))
    return [name for name in columns if not name.startswith(OWN_PREFIX)]


def _write_ndjson(checkpoint: Checkpoint, admits: Callable[[DeadLetter], bool], stream: TextIO) -> int:
    identity = checkpoint.identity()
    count = 0
    for letter in filter(admits, checkpoint.dead_letters()):
        stream.write(orjson.dumps(_fields(letter, identity)).decode() + "\n")
        count += 1
    return count


def _fields(letter: DeadLetter, identity: Identity) -> dict[str, object]:
    """The fields of a failed row, with uploader's own."""
    return failed_row(letter, identity).as_dict()


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = spell(value) if isinstance(value, bool | list) else None
    if text is not None:
        return text
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else str(value)


def _safe_cell(value: object) -> str:
    """The cell, with an apostrophe before a text that a spreadsheet program would take for a formula."""
    text = _cell(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


#: From OWASP's list, with the full-width characters.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
