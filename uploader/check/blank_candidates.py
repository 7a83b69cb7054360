"""Words in the cells that may stand for a blank, and how to say so. They are proposed, never acted on.

In    by column, the words with their counts; the columns; the account's properties.
Out   the words with their counts; the options and the lines of a mapping file that make them blank.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from uploader.hubspot.schema import Schema
from uploader.model.column_names import quoted
from uploader.records.columns import Rules
from uploader.records.values.nothing import is_nothing
from uploader.records.values.placeholders import real_words


class Candidate(NamedTuple):
    """A word that may stand for a blank."""

    word: str  #: as most cells spell it
    columns: Mapping[str, int]  #: the columns that have it, with their cells
    is_for_all: bool  #: it can be given for all columns

    @property
    def cells(self) -> int:
        return sum(self.columns.values())

    def entries(self) -> list[str]:
        """The values of --blank-value for it."""
        return [self.word] if self.is_for_all else [f"{column}={self.word}" for column in self.columns]

    def options(self) -> str:
        """The options for it, to be pasted into a command."""
        return " ".join(f"--blank-value {quoted(entry)}" for entry in self.entries())


def blank_candidates(
    nothings: Mapping[str, Mapping[str, int]], names: Mapping[str, str], rules: Rules, schema: Schema | None
) -> list[Candidate]:
    """The words that are no blanks yet, those of most cells first. A word is proposed for all columns if
    several have it, and it is a value of no other property. `names`: the property of each column.
    """
    keys = {column for column, name in names.items() if name in rules.match}
    by_word: dict[str, dict[str, int]] = {}
    spelled: dict[str, dict[str, int]] = {}
    for column, words in nothings.items():
        for text, count in words.items():
            if column in keys and is_nothing(text):
                continue  # it is no key as it is
            for table, name in ((by_word, column), (spelled, text)):
                counts = table.setdefault(text.lower(), {})
                counts[name] = counts.get(name, 0) + count
    options = schema.options if schema else {}
    real = frozenset[str]().union(*(real_words(options.get(name, ())) for name in names.values()))
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


def mapping_lines(candidates: Sequence[Candidate], names: Mapping[str, str], rules: Rules) -> list[str]:
    """The same as lines of a mapping file, with the words that these columns have already. `names`: the
    property of each column.
    """
    common = [one.word for one in candidates if one.is_for_all]
    by_column: dict[str, list[str]] = {}
    for one in candidates:
        for column in () if one.is_for_all else one.columns:
            by_column.setdefault(column, []).append(one.word)
    lines = [f"blank_values = {listed([*rules.blank_values.get('', ()), *common])}"] if common else []
    for column, words in by_column.items():
        known = [*rules.blank_values.get(column, ()), *words]
        lines.append(f"{_text(column)} = {details(names.get(column, ''), known)}")
    return lines


def details(name: str, words: Sequence[str]) -> str:
    """What a column of this property is if these words are blanks in it, as a mapping file has it."""
    of_property = f"property = {_text(name)}, " if name else ""
    return f"{{ {of_property}blank_values = {listed(words)} }}"


def listed(words: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, dict.fromkeys(words)))}]"


def _text(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
