"""The columns as a table: what each is, how much of it is filled, and what its values look like."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len

from uploader.check.report import Column, Report
from uploader.cli.text.folding import cut, cut_at_word
from uploader.cli.text.table import table_lines
from uploader.jobs.scans.bad_values import REPLACEABLE
from uploader.jobs.scans.column_counts import ColumnCounts
from uploader.jobs.scans.row_findings import LOST_ZEROS, SHORT_ID
from uploader.model.counted import counted
from uploader.model.foreign_texts import printable
from uploader.records.columns import Rules
from uploader.records.values.top_level_domains import TOP_LEVEL_DOMAIN

#: The width of a table where the output is no terminal.
NO_TERMINAL = 120
_HEADER = ("column", "property", "full", "values", "sample", "remark")
_NUMBERS = frozenset({2, 3})
_GAP, _LONGEST_SAMPLE = 2, 24
#: Columns that are shortened on a narrow terminal, one after the other, each to this width.
_SHORTENED = ((4, 8), (0, 18), (5, 16), (1, 16), (0, 14), (1, 12), (5, 10))
#: Columns that are left out where even that is too wide, one after the other.
_LEFT_OUT_FIRST = (4, 3, 2)
#: Widths beyond which nothing is gained.
_MOST = {0: 40, 1: 40, 4: 24}
#: What is said of a column that is proposed to be left out, and of one of opt-outs.
_LEFT_OUT = (["leave out?"], ["opt-out?"])
#: A remark for which there is a sentence.
_DATES_AS_TEXT = "dates as text"
#: What the remarks on texts are about: of one text, and of several if that differs.
_LABELS = {
    "APOSTROPHE": ("apostrophe",),
    "PHONE_PREFIX": ("p: prefix", "p: prefixes"),
    "LOST_DIGITS": ("E notation", "E notation"),
    "DECIMALS": ("decimals", "decimals"),
    "SPREADSHEET_ERROR": ("cell error",),
    "NO_DATE": ("of 1899", "of 1899"),
    LOST_ZEROS: ("lost zero?", "lost zeros?"),
    SHORT_ID: ("15-character id",),
    "SEVERAL_VALUES": ("with :::", "with :::"),
    "LOST_CHARACTERS": ("lost letters", "lost letters"),
    "WRONG_ENCODING": ("misread", "misread"),
    "INVISIBLE": ("invisible sign",),
    "HTML": ("HTML", "HTML"),
    TOP_LEVEL_DOMAIN: ("odd domain",),
}


class ColumnLine(NamedTuple):
    """A column of all sources that have it."""

    column: str
    name: str  #: the property; with `?`: proposed, or `?` alone: unknown
    type: str
    filled: str
    distinct: str
    samples: Sequence[str]
    remarks: list[str]  #: in few words, the most important first
    notes: list[str]  #: whole sentences

    @property
    def has_news(self) -> bool:
        return bool(self.remarks) or self.is_undecided

    @property
    def is_undecided(self) -> bool:
        return self.name.endswith("?")

    @property
    def said_in_full(self) -> list[str]:
        """The remarks, with a sentence where there is one."""
        return [*(text for text in self.remarks if text != _DATES_AS_TEXT), *self.notes]


def column_lines(report: Report) -> list[ColumnLine]:
    """A line for each column that is used or undecided. Columns of several sources that are the same property
    are one.
    """
    by_name: dict[tuple[str, str, bool], list[Column]] = {}
    for one in report.columns:
        if one.property or one.is_undecided:
            by_name.setdefault((one.column, one.property, one.is_undecided), []).append(one)
    remarks = _remarks(report)
    return [_line(columns, report, remarks.get(columns[0].column, ())) for columns in by_name.values()]


def unsent_columns(report: Report, rules: Rules) -> Mapping[str, list[str]]:
    """The columns that are no properties: those of links and of opt-outs, and those that are left out."""
    names = [one.column for one in report.columns if not one.property and not one.is_undecided]
    found: dict[str, list[str]] = {"links": [], "opt-outs": [], "left out": []}
    for name in dict.fromkeys(names):
        what = "links" if rules.has_links(name) else "opt-outs" if rules.tells_opt_outs(name) else "left out"
        found[what].append(printable(name, 60))
    return found


def _line(columns: Sequence[Column], report: Report, remarks: Sequence[str]) -> ColumnLine:
    first = columns[0]
    known = report.findings.columns
    counts = [known[place] for one in columns if (place := (one.source, one.column)) in known]
    name, notes = first.property, [_DATES_AS_TEXT] if first.remark else []
    if first.is_undecided:
        proposal = first.proposal
        name = f"{proposal.property if proposal else ''}?"
        notes = _LEFT_OUT[proposal.suppress] if proposal and name == "?" else []
    return ColumnLine(
        printable(first.column, 60),
        printable(name, 60),
        first.type,
        _share(counts),
        _distinct(counts),
        list(dict.fromkeys(printable(text, 60) for found in counts for text in found.samples))[:3],
        [*notes, *remarks],
        [first.remark] if first.remark else [],
    )


def _share(counts: Sequence[ColumnCounts]) -> str:
    cells, filled = sum(one.cells for one in counts), sum(one.filled for one in counts)
    if not cells:
        return ""
    share = filled / cells
    if 0 < share < 0.01:
        return "<1%"
    return f"{share:.0%}" if filled == cells or share < 0.995 else ">99%"


def _distinct(counts: Sequence[ColumnCounts]) -> str:
    """Of several sources, only the largest number is known."""
    if not counts:
        return ""
    is_exact = len(counts) == 1 and counts[0].is_exact
    return f"{max(one.distinct for one in counts):,}" + "+" * (not is_exact)


def _remarks(report: Report) -> Mapping[str, list[str]]:
    """By column, what was found in its values."""
    found: dict[str, list[str]] = {}
    for column, text in _found(report):
        found.setdefault(column, []).append(text)
    return found


def _found(report: Report) -> Iterator[tuple[str, str]]:
    findings = report.findings
    for groups, what in ((findings.faults, "invalid"), (findings.dropped, "left out")):
        counts = Counter[str]()
        for (category, column), group in groups.items():
            if category in REPLACEABLE:
                yield column, counted(group.count, "bad option")
            else:
                counts[column] += group.count
        for column, count in counts.items():
            yield column, f"{count:,} {what}"
    for (category, column), group in findings.remarks.items():
        yield column, counted(group.count, *_LABELS.get(category, (category, category)))
    for (_, column), group in findings.date_numbers.items():
        yield column, counted(group.count, "number as date", "numbers as dates")
    words: dict[str, list[str]] = {}
    for one in report.blank_candidates:
        for column in one.columns:
            words.setdefault(column, []).append(printable(one.word, 20))
    for column, of_it in words.items():
        more = ", ..." if len(of_it) > 1 else ""
        yield column, f"blank: {of_it[0]}{more}?"


def table(lines: Sequence[ColumnLine], width: int) -> list[str]:
    """The columns as a table of this width, one line each: samples, remarks and long names are shortened.
    On a narrow terminal there are no samples.
    """
    rows = [(one.column, one.name, one.filled, one.distinct, "".join(one.samples[:1]), "") for one in lines]
    longest = max((cell_len(", ".join(one.remarks)) for one in lines), default=0)
    widths = _widths([_HEADER, *rows], longest, width)
    rule = tuple("-" * one for one in widths)
    shown = [(*row[:-1], _fitting(one.remarks, widths[-1])) for row, one in zip(rows, lines, strict=True)]
    return [_row(row, widths) for row in (_HEADER, rule, *shown)]


def full_table(lines: Sequence[ColumnLine], width: int) -> list[str]:
    """The columns as a table of this width: nothing is left out, and cells are wrapped between words."""
    rows = [
        (
            one.column,
            f"{one.name} ({one.type})" if one.type else one.name,
            one.filled,
            one.distinct,
            ", ".join(cut(sample, _LONGEST_SAMPLE) for sample in one.samples),
            "; ".join(one.said_in_full),
        )
        for one in lines
    ]
    return table_lines(_HEADER, rows, width)


def _fitting(remarks: Sequence[str], width: int) -> str:
    """The first of the remarks, as many as fit."""
    text = ", ".join(remarks)
    for count in range(len(remarks) - 1, 0, -1):
        if cell_len(text) <= width:
            break
        text = f"{', '.join(remarks[:count])}, ..."
    return text if cell_len(text) <= width else cut_at_word("".join(remarks[:1]), width)


def _widths(rows: Sequence[Sequence[str]], remark: int, width: int) -> list[int]:
    """The widths of the columns; 0: left out. `remark`: that of the longest remark."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    widths[-1] = max(widths[-1], remark)
    widths = [min(one, _MOST.get(at, one)) for at, one in enumerate(widths)]
    for count in range(len(_LEFT_OUT_FIRST) + 1):
        found = [0 if at in _LEFT_OUT_FIRST[:count] else one for at, one in enumerate(widths)]
        room = width - _GAP * (len(found) - 1 - count)
        for at, least in _SHORTENED:
            if (over := sum(found) - room) > 0:
                found[at] = max(min(found[at], least), found[at] - over)
        if sum(found) <= room:
            break
    return found


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = []
    for at, (text, width) in enumerate(zip(row, widths, strict=True)):
        shown = cut(text, width)
        blanks = " " * (width - cell_len(shown))
        cells += [blanks + shown if at in _NUMBERS else shown + blanks] if width else []
    return (" " * _GAP).join(cells).rstrip()
