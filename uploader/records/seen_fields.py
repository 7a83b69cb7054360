"""The fields that rows of one source have named so far, as one layout, which rows join as they come.

In    rows that name their own fields.
Out   the layout, its columns for the rows that fit, and which these are.
Raise nothing.
Rules A row does not fit if it says something in another way: with `properties` of its own, with a second name
      of a property, with a value that is no text, with a field that can't be written. Such a field may be
      there as long as it is blank.
"""

from collections.abc import Callable, Sequence
from itertools import compress
from operator import itemgetter

from uploader.records.columns import SUPERSEDED, Rules
from uploader.records.fields import Fields, spell
from uploader.records.layouts import UNSET, Column, Layout, Text
from uploader.records.values.convert import Converter

#: More fields are no columns.
_MOST_FIELDS = 1_000


class SeenFields:
    def __init__(
        self,
        fields: Fields,
        rules: Rules,
        column: Callable[[str, str, Converter | None], Column],
        layout: Callable[[Sequence[Column]], Layout],
    ) -> None:
        """`column`: of a field, its property, and what converts its values."""
        self._fields = fields
        self._column = column
        self._make_layout = layout
        self._marks = {"properties"} if rules.include_superseded else {"properties", SUPERSEDED}
        self._cleared = rules.cleared  # a blank that clears is something, too
        self._template: dict[str, object] = {}  # field -> what a row without it has in its place
        self._sent: dict[int, Column] = {}  # by place in the template
        self._silent: list[int] = []  # places of fields that have to be blank
        self._layout = layout([])

    def sort(self, rows: Sequence[dict[str, object]]) -> tuple[Layout, list[int], list[list[Text]]]:
        """The layout by now, the rows that fit, by index, and their columns."""
        together = list(range(len(rows)))
        cells = self._cells_of_known(rows)
        if cells is None:
            merged = self._merged(rows)
            if max(map(len, merged)) > len(self._template) and self._learn(rows, merged):
                merged = self._merged(rows)
            if max(map(len, merged)) > len(self._template):
                together = [row for row in together if len(merged[row]) == len(self._template)]
                merged = [merged[row] for row in together]
            cells = list(zip(*map(dict.values, merged), strict=True))
        if not cells:
            return self._layout, [], []
        apart = {
            row for place in self._silent for row, value in enumerate(cells[place]) if not _is_blank(value)
        }
        columns = [_texts(cells[place], apart) for place in self._sent]
        if apart:
            chosen = [row not in apart for row in range(len(together))]
            together = list(compress(together, chosen))
            columns = [list(compress(texts, chosen)) for texts in columns]
        return self._layout, together, columns

    def _cells_of_known(self, rows: Sequence[dict[str, object]]) -> list[tuple[object, ...]] | None:
        """Column by column, where all rows have just the fields of the template; else None."""
        if len(self._template) < 2 or set(map(len, rows)) != {len(self._template)}:
            return None
        try:
            return list(zip(*map(itemgetter(*self._template), rows), strict=True))
        except KeyError:
            return None

    def _merged(self, rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
        """Rows with all fields of the template, in its order; others, if any, come behind them."""
        names = tuple(self._template)
        return [row if tuple(row) == names else self._template | row for row in rows]

    def _learn(self, rows: Sequence[dict[str, object]], merged: Sequence[dict[str, object]]) -> bool:
        """Whether some new field was taken into the template."""
        before, known = len(self._template), {column.name for column in self._sent.values()}
        for row, whole in zip(rows, merged, strict=True):
            if len(whole) == before:
                continue
            for name, value in row.items():
                if name in self._template or len(self._template) == _MOST_FIELDS:
                    continue
                field, place = self._fields[name], len(self._template)
                column = None
                if name in self._marks or (not field.is_left_out and (field.fault or field.name in known)):
                    if not _is_blank(value) or name in self._cleared:
                        continue
                    self._silent.append(place)
                elif not field.is_left_out:
                    column = self._sent[place] = self._column(name, field.name, field.convert)
                    known.add(field.name)
                self._template[name] = UNSET if column and column.is_cleared else ""
        if len(self._template) == before:
            return False
        self._layout = self._make_layout(list(self._sent.values()))
        return True


def _texts(values: Sequence[object], apart: set[int]) -> list[Text]:
    """Trimmed. Rows with a value that is no text are put `apart`."""
    try:
        return list(map(str.strip, values))  # type: ignore[arg-type]
    except TypeError:
        pass  # some are no texts
    texts = [value if value is UNSET else spell(value) for value in values]
    apart.update(row for row, text in enumerate(texts) if text is None)
    return texts  # type: ignore[return-value]  # where it is None, the row is apart


def _is_blank(value: object) -> bool:
    return value is None or value == "" or spell(value) == ""
