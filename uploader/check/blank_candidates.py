"""Words in the cells that may stand for a blank, and how to say so. They are proposed, never acted on.

In    by column, the words with their counts; the columns; the account's properties.
Out   the words with their counts; the options and the lines of a mapping file that make them blank.
"""

import json
from collections.abc import Mapping, Sequence

from uploader.check.report import Candidate, Report
from uploader.records.columns import Rules
from uploader.records.values.nothing import is_nothing
from uploader.records.values.placeholders import real_words


def blank_candidates(report: Report, rules: Rules) -> list[Candidate]:
    """The words that are no blanks yet, those of most cells first. A word is proposed for all columns if
    several have it, and it is a value of no other property.
    """
    keys = {one.column for one in report.columns if one.property in rules.match}
    by_word: dict[str, dict[str, int]] = {}
    spelled: dict[str, dict[str, int]] = {}
    for column, words in report.findings.nothings.items():
        for text, count in words.items():
            if column in keys and is_nothing(text):
                continue  # it is no key as it is
            for table, name in ((by_word, column), (spelled, text)):
                counts = table.setdefault(text.lower(), {})
                counts[name] = counts.get(name, 0) + count
    options = report.schema.options if report.schema else {}
    real = frozenset[str]().union(*(real_words(options.get(one.property, ())) for one in report.columns))
    found = [
        Candidate(
            max(spelled[word], key=spelled[word].__getitem__), columns, _is_for_all(word, columns, real)
        )
        for word, columns in by_word.items()
    ]
    return sorted(found, key=lambda one: (-one.cells, one.word))


def _is_for_all(word: str, columns: Mapping[str, int], real: frozenset[str]) -> bool:
    is_plain = "@" not in word and not any(map(str.isdecimal, word))
    return len(columns) > 1 and is_plain and word not in real


def mapping_lines(candidates: Sequence[Candidate], report: Report, rules: Rules) -> list[str]:
    """The same as lines of a mapping file, with the words that these columns have already."""
    common = [one.word for one in candidates if one.is_for_all]
    by_column: dict[str, list[str]] = {}
    for one in candidates:
        for column in () if one.is_for_all else one.columns:
            by_column.setdefault(column, []).append(one.word)
    lines = [f"blank_values = {_listed([*rules.blank_values.get('', ()), *common])}"] if common else []
    names = {one.column: one.property for one in report.columns}
    for column, words in by_column.items():
        texts = _listed([*rules.blank_values.get(column, ()), *words])
        name = f"property = {_text(names[column])}, " if names.get(column) else ""
        lines.append(f"{_text(column)} = {{ {name}blank_values = {texts} }}")
    return lines


def _listed(words: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, dict.fromkeys(words)))}]"


def _text(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
