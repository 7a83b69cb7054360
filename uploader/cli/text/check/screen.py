"""What `check` found, on one screen: the verdict and the problems first, the cost and the next step last.
Values in, text out: nothing is printed here. Each function is one block, in the order of the screen.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from uploader.check.bad_columns import BadColumn, BadValue
from uploader.check.blank_candidates import mapping_lines
from uploader.check.report import Report
from uploader.cli.text.bad_values import kind_words, namesakes_text
from uploader.cli.text.check.column_table import NO_TERMINAL, column_lines, table, unsent_columns
from uploader.cli.text.check.details import (
    account_text,
    chain_texts,
    cost_text,
    list_lines,
    opt_out_lines,
    other_key_lines,
    split_lines,
)
from uploader.cli.text.check.links import notice_lines, short_link_lines
from uploader.cli.text.check.next_steps import next_steps, verdict
from uploader.cli.text.folding import cut_at_word, folded, folded_command
from uploader.jobs.scans.bad_values import REPLACEABLE
from uploader.jobs.scans.row_findings import Group
from uploader.model.counted import counted, numbered
from uploader.model.foreign_texts import printable
from uploader.records.columns import Rules
from uploader.settings import Settings

#: Lines of a screen, those of a table beside its columns, and the columns that are shown on any screen.
_LINES, _TABLE_LINES, _LEAST_COLUMNS = 40, 4, 12
#: Kinds of bad values; values, keys, words and owners in a line.
_MOST_KINDS, _NAMED = 6, 4
#: A key is mentioned if more rows than this have it.
_FEW_ROWS = 2
#: Lines that a text takes at most, unless it holds options to paste.
_MOST_LINES = 2
#: Options, or keys of a project file.
_HAS_WORDS_TO_PASTE = re.compile(r"--| = ")
#: What stops an upload, and what people lose who are mailed in spite of their wish, is never shortened.
_WHOLE = ("PROBLEM:", "OPT-OUTS:")
#: How far the second line of a text is indented.
_INDENT = 2


def screen(
    report: Report,
    settings: Settings,
    typed: Sequence[str],
    width: int | None = None,
) -> list[str]:
    """The report as lines. `typed`: the command after the program's name. `width`: of the terminal; None:
    the output is no terminal, and sentences are not folded.
    """
    above = [
        f"{verdict(report)} (--details shows all that was found)",
        *opt_out_lines(report, settings),
        *other_key_lines(report, settings),
        *notice_lines(report),
        *_problem_lines(report),
        *_origin_lines(report),
    ]
    below = [
        *rows_lines(report),
        *_key_lines(report),
        *_blank_lines(report, settings.rules),
        *short_link_lines(report),
        *_cost_lines(report, settings),
        *list_lines(report, settings),
        *_unseen_lines(report),
    ]
    steps = next_steps(report, settings, typed)
    if width is not None:
        above, below = ([one for line in lines for one in _fitted(line, width)] for lines in (above, below))
        steps = [one for step in steps for one in folded_command(step, width)]
    room = _LINES - len(above) - len(below) - len(steps)
    return [*above, *_column_lines(report, settings.rules, width or NO_TERMINAL, room), *below, *steps]


def brief(report: Report) -> list[str]:
    """The report of a plan's step in a few lines: the verdict, what is wrong, and what becomes of the rows.
    Whether other records are missing is a matter of all steps together.
    """
    report = without_missing(report)
    texts = [*_problem_lines(report), row_text(report), *_bad_value_lines(report), *_key_lines(report)]
    return [verdict(report), *texts]


def without_missing(report: Report) -> Report:
    """The report without the links whose other records the account does not have."""
    return replace(
        report, links=[replace(one, missing=0, missing_values=0, most_missing=()) for one in report.links]
    )


def _fitted(line: str, width: int) -> list[str]:
    """The line in lines of this width. Of a long text only the beginning, unless it has words to paste
    or must be read to its end.
    """
    most = 1 if line.startswith(" ") else _MOST_LINES
    is_whole = line.startswith(_WHOLE) or _HAS_WORDS_TO_PASTE.search(line)
    if not is_whole and len(folded(line, width)) > most:
        line = cut_at_word(line, width * most - _INDENT * (most - 1))
    return folded(line, width)


def _problem_lines(report: Report) -> Iterator[str]:
    for text in report.problems:
        yield f"PROBLEM: {printable(report.briefs.get(text, text), 600)}"
    for text in report.warnings:
        yield f"WARNING: {printable(text, 600)}"
    for text in report.not_checked:
        yield f"NOT CHECKED: {printable(text)}"
    for source in report.sources:
        for notice in source.notices:
            yield printable(notice)


def _origin_lines(report: Report) -> list[str]:
    """The account, and the systems that the sources seem to be exported from."""
    systems = dict.fromkeys(origin.name for origin in report.origins if origin.systems)
    account = [account_text(report)] if report.account else []
    seems = [f"looks like an export of {' and '.join(systems)}"] if systems else []
    return ["; ".join([*account, *seems])] if account or seems else []


def _column_lines(report: Report, rules: Rules, width: int, room: int) -> list[str]:
    """The table, in so many lines if it has more columns than a few."""
    found = column_lines(report)
    out = {what: names for what, names in unsent_columns(report, rules).items() if names}
    most = max(_LEAST_COLUMNS, room - _TABLE_LINES - len(out))
    shown = found
    if len(found) > most:  # those with a remark, and the first of the others
        plain = [one for one in found if not one.has_news]
        plain = plain[: max(0, most - 1 - len(found) + len(plain))]
        urgent = [one for one in found if one.is_undecided][: most - 1]
        shown = [one for one in found if one.has_news or one in plain]
        spare = [one for one in shown if one not in urgent][: most - 1 - len(urgent)]
        shown = [one for one in shown if one in urgent or one in spare]
    lines = table(shown, width) if shown else []
    if rest := [one for one in found if one not in shown]:
        undecided = sum(one.is_undecided for one in rest)
        which = f", {undecided:,} of them undecided" if undecided else ""
        lines += folded(f"and {counted(len(rest), 'more column')}{which} (--details lists all)", width)
    for what, names in out.items():
        lines.append(f"{what}: {cut_at_word(', '.join(names), width - len(what) - 2)}")
    return ["", *lines, ""] if lines else []


def row_text(report: Report) -> str:
    """What becomes of the rows."""
    found = report.findings
    of_each = " of each source" if len(report.sources) > 1 else ""
    note = f" (the first{of_each})" if report.sample else ""
    not_rows = found.not_rows.count
    rows = f"{counted(found.rows - not_rows, 'row')}{note}"
    if found.rows and not found.sendable + found.invalid + found.skipped:
        return f"{rows}, not checked: first decide what the columns mean"
    counts = [(found.sendable, "can be sent"), (found.invalid, "invalid")]
    parts = [f"{count:,} {what}" for count, what in counts if count or what == "can be sent"]
    if sum(group.count for group in found.faults.values()) > found.invalid:
        parts[-1] += " (some with several problems)"
    if skipped := found.skipped - not_rows:
        kinds = [(found.suppressed, "suppressed"), (skipped - found.suppressed, "superseded")]
        parts.append(f"{skipped:,} skipped ({_kinds_text([kind for kind in kinds if kind[0]])})")
    if found.values_dropped:
        parts.append(f"{counted(found.values_dropped, 'value')} left out")
    lines = counted(not_rows, "more line is no row", "more lines are no rows")
    return f"{rows}: {', '.join(parts)}{f'; {lines}' if not_rows else ''}"


def _kinds_text(kinds: Sequence[tuple[int, str]]) -> str:
    return kinds[0][1] if len(kinds) == 1 else ", ".join(f"{count:,} {what}" for count, what in kinds)


def rows_lines(report: Report) -> list[str]:
    """What becomes of the rows, and what is wrong with them by kind."""
    return [row_text(report), *_bad_value_lines(report)]


def _bad_value_lines(report: Report) -> list[str]:
    """A line for each kind of bad values; of options the values, with those they take."""
    found = report.findings
    by_column = {one.column: one for one in report.bad_columns}
    kinds: list[tuple[int, list[str]]] = []
    for (category, column), group in [*found.faults.items(), *found.dropped.items()]:
        if category in REPLACEABLE and column in by_column:
            one = by_column.pop(column)
            kinds.append((one.cells, _option_lines(one)))
        elif category not in REPLACEABLE and not (category == "OWNER" and report.unknown_owners):
            kinds.append((group.count, [_kind_line(category, column, group, report)]))
    kinds += [(one.cells, _option_lines(one)) for one in by_column.values()]  # of columns that are undecided
    for name, owners in report.missing_owners.items():
        who = _most(owners.most_common())
        text = f"{_number(owners.total())}{name}: {counted(len(owners), 'unknown owner')}: {who}"
        kinds.append((owners.total(), [text]))
    for name, ambiguous in report.ambiguous_owners.items():
        for text, several in ambiguous.items():
            count = report.unknown_owners[name][text]
            kinds.append((count, [f"{_number(count)}{name}: {namesakes_text(text, several)}"]))
    kinds.sort(key=lambda kind: -kind[0])
    lines = [line for _, texts in kinds[:_MOST_KINDS] for line in texts]
    rest = len(kinds) - _MOST_KINDS
    return [*lines, *([f"{'':>10}and {counted(rest, 'more kind')}"] if rest > 0 else [])]


def _kind_line(category: str, column: str, group: Group, report: Report) -> str:
    if not group.examples:
        return f"{_number(group.count)}{kind_words(category)} in {printable(column, 60)}"
    one = group.examples[0]
    of = f" of {report.sources[one.source].name}" if len(report.sources) > 1 else ""
    such_as = "such as " if group.count > 1 else ""
    return f"{_number(group.count)}{such_as}row {one.row}{of}: {printable(one.reason, 160)}"


def _option_lines(one: BadColumn) -> list[str]:
    values = ", ".join(map(_with_near, one.values[:_NAMED]))
    options = ", ".join(printable(option.value, 40) for option in one.options)
    taken = [f"{'':>10}{printable(one.property or one.column, 60)} takes {options}"] if options else []
    rest = len(one.values) + one.others - _NAMED
    more = f" and {rest:,} more" if rest > 0 else ""
    return [f"{_number(one.cells)}{printable(one.column, 60)}: {values}{more}", *taken]


def _with_near(value: BadValue) -> str:
    return f"{printable(value.text, 40)} ({value.cells:,}{f'; {value.near.value}?' if value.near else ''})"


def _most(counts: Sequence[tuple[str, int]]) -> str:
    shown = ", ".join(f"{printable(text, 40)} ({count:,})" for text, count in counts[:_NAMED])
    rest = len(counts) - _NAMED
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def _number(count: int) -> str:
    return f"{count:>8,}  "


def _key_lines(report: Report) -> list[str]:
    found, lines = report.findings, []
    if found.repeated_keys:
        most = [
            (key.value, key.rows)
            for key, is_doubtful in report.most_repeated_keys()
            if is_doubtful or key.rows > _FEW_ROWS
        ]
        named = f": {_most(most)}" if most else ""
        keys = numbered(found.repeated_keys, "key is", "keys are")
        further = counted(found.repeated_rows, "further row")
        lines.append(f"{_number(found.repeated_keys)}{keys} repeated, in {further}{named}")
    lines += [] if report.doubtful_keys else split_lines(report)
    if found.shared_rows:
        have = numbered(found.shared_rows, "row has", "rows have")
        lines.append(f"{_number(found.shared_rows)}{have} a unique value of a row with another key")
    for column, count in found.cleared.items():
        clear = numbered(count, "blank cell clears", "blank cells clear")
        lines.append(f"{_number(count)}{clear} {printable(column, 60)}")
    return lines


def _blank_lines(report: Report, rules: Rules) -> list[str]:
    """Words that may stand for a blank, unless they are keys that a problem names."""
    doubtful = {key.value.lower() for key in report.doubtful_keys}
    found = [one for one in report.blank_candidates if one.word.lower() not in doubtful]
    if not found:
        return []
    words = _most([(one.word, one.cells) for one in found])
    options = " ".join(one.options() for one in found[:_NAMED])
    if report.project:
        entries = ", ".join(mapping_lines(found[:_NAMED], report.names, rules))
        options = f"{entries} in {report.project}"
    cells = sum(one.cells for one in found)
    return [f"{_number(cells)}{numbered(cells, 'cell')} may stand for no value: {words}: {options}"]


def _cost_lines(report: Report, settings: Settings) -> list[str]:
    if report.workload is None:
        return []
    quota = report.quota
    left = ""
    if quota and quota.day_left is not None:
        left = f"; {counted(quota.day_left, 'request is', 'requests are')} left today"
    chains = [] if report.doubtful_keys else chain_texts(report.workload)
    return [f"{cost_text(report.workload, report, settings)}{left}", *chains]


def _unseen_lines(report: Report) -> list[str]:
    text = "Not visible to uploader: workflows, costs, notices (`uploader help live-portal`)"
    return [text] if report.unseen else []
