"""Words that the user names and that stand for a blank cell, such as `n/a`, `-` or `none@none.com`.

In    the words by column, "" for all columns; the rows of one source, without wrappings.
Out   the rows, with these cells blank.
Raise nothing.
Rules A cell is such a word if all of its text is, in any case and without white space around it. A column
      has the words of all columns beside its own; one that is given an empty list has none. Our own columns
      are not changed. Everything that looks at rows looks at these, so that a word is a blank in every
      respect.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from uploader.model.column_names import folded
from uploader.model.rows import Content, PartlyReadable, Row, Unreadable
from uploader.records.columns import OWN_PREFIX
from uploader.records.fields import spell

Words = Mapping[str, Collection[str]]


def as_compared(words: Iterable[str]) -> frozenset[str]:
    """Return the words as they are compared."""
    return frozenset(word.strip().lower() for word in words)


def words_of(column: str, words: Words) -> frozenset[str]:
    """Return the words of a column, as they are compared."""
    own = words.get(column)
    if column.startswith(OWN_PREFIX) or (own is not None and not own):
        return frozenset()
    return as_compared((*words.get("", ()), *(own or ())))


class BlankWords:
    """The words of one source."""

    def __init__(self, words: Words, header: Sequence[str], id_property: str) -> None:
        """`id_property`: the property of an `id` in the API's form of an input that does not name it."""
        self._words = words
        self._id_property = id_property
        self._all = as_compared(word for of_column in words.values() for word in of_column)
        self._of_cells = [words_of(column, words) for column in header]

    def of(self, column: str) -> frozenset[str]:
        """Return the words of a column, as they are compared."""
        return words_of(column, self._words)

    def blanked(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows with these cells blank."""
        if not self._all:
            return rows
        contents = [(row, self._blanked(row.content)) for row in rows]
        return [
            row if content is row.content else Row(row.number, row.raw, content) for row, content in contents
        ]

    def _blanked(self, content: Content) -> Content:
        """Return the content itself if it holds no such word."""
        if isinstance(content, PartlyReadable):
            cells = self._cells(content.cells)
            return content if cells is content.cells else replace(content, cells=cells)
        if isinstance(content, Unreadable):
            return content
        if isinstance(content, Mapping):
            nested = content.get("properties")
            return self._input(content, nested) if isinstance(nested, Mapping) else self._fields(content)
        return self._cells(content)

    def _cells(self, cells: Sequence[str]) -> Sequence[str]:
        texts = list(map(str.lower, map(str.strip, cells)))
        if self._all.isdisjoint(texts):
            return cells
        found = [text in words for text, words in zip(texts, self._of_cells, strict=True)]
        return ["" if is_word else cell for cell, is_word in zip(cells, found, strict=True)]

    def _fields(self, fields: Mapping[str, object]) -> Mapping[str, object]:
        found = [name for name, value in fields.items() if self._is_word(name, value)]
        return {**fields, **dict.fromkeys(found, "")} if found else fields

    def _input(self, content: Mapping[str, object], nested: Mapping[str, object]) -> Mapping[str, object]:
        """The same of a row in the API's own form of an input."""
        blank: dict[str, object] = {"properties": self._fields(nested)}
        blank |= {
            name: ""
            for name, value in content.items()
            if name not in INPUT_FIELDS and self._is_word(name, value)
        }
        name = content.get("idProperty") or self._id_property
        if isinstance(name, str) and self._is_word(name, content.get("id")):
            blank["id"] = ""
        return {**content, **blank}

    def _is_word(self, field: str, value: object) -> bool:
        text = spell(value)
        if not text or text.lower() not in self._all:
            return False
        return text.lower() in self.of(folded(field))


#: The fields of the API's own form of an input.
INPUT_FIELDS = frozenset({"id", "idProperty", "objectWriteTraceId", "properties"})
