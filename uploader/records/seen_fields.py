"""The fields that rows of one source have named so far, as one layout that grows.

In    rows that name their own fields.
Out   the layout, its columns for the rows that fit, and which rows these are.
Raise nothing.
Rules A row does not fit if it has another form: `properties` of its own, a second name of a property, a value
      that is no text, or a field that cannot be written, unless that field is blank.
"""

from collections.abc import Callable, Sequence
from itertools import chain, compress
from operator import itemgetter
from typing import NamedTuple

from uploader.records.columns import SUPERSEDED, Rules
from uploader.records.fields import Fields, spell
from uploader.records.layouts import UNSET, Column, Layout, Text
from uploader.records.values.convert import Converter

#: Further fields are not treated as columns.
_MOST_FIELDS = 1_000
#: Where some row has named so many times the fields that these rows name, theirs alone are columns.
_MANY_TIMES = 4


class Seen(NamedTuple):
    """Fields that rows may have, in a fixed order."""

    template: dict[str, object]  #: field -> what stands for it in a row without it
    sent: dict[int, Column]  #: by place in the template
    silent: list[int]  #: places of fields that have to be blank
    layout: Layout


class SeenFields:
    """The common layout of the rows of one source."""

    def __init__(
        self,
        fields: Fields,
        rules: Rules,
        column: Callable[[str, str, Converter | None], Column],
        layout: Callable[[Sequence[Column], bool], Layout],
    ) -> None:
        """`column` makes the column of a field from its name, property and converter. `layout` makes a
        layout from columns and whether many rows will have it.
        """
        self._fields = fields
        self._column = column
        self._layout = layout
        self._marks = {"properties"} if rules.include_superseded else {"properties", SUPERSEDED}
        self._cleared = rules.cleared  # a blank that clears is a value, too
        self._all = Seen({}, {}, [], layout([], True))
        self._few = self._all  # of the last rows that named far fewer
        self._few_lasts = False  # its layout is for many rows

    def sort(self, rows: Sequence[dict[str, object]]) -> tuple[Layout, list[int], list[list[Text]]]:
        """Return the current layout, the indexes of the rows that fit it, and their columns."""
        together = list(range(len(rows)))
        seen, cells = self._all, _cells(self._all, rows)
        if cells is None:
            self._learn(rows)
            seen = self._named_by(rows)
            merged = [seen.template | row for row in rows]
            if max(map(len, merged)) > len(seen.template):
                together = [row for row in together if len(merged[row]) == len(seen.template)]
                merged = [merged[row] for row in together]
            cells = list(zip(*map(dict.values, merged), strict=True))
        if not cells:
            return seen.layout, [], []
        apart = {
            row for place in seen.silent for row, value in enumerate(cells[place]) if not _is_blank(value)
        }
        columns = [_texts(cells[place], apart) for place in seen.sent]
        if apart:
            chosen = [row not in apart for row in range(len(together))]
            together = list(compress(together, chosen))
            columns = [list(compress(texts, chosen)) for texts in columns]
        return seen.layout, together, columns

    def _named_by(self, rows: Sequence[dict[str, object]]) -> Seen:
        """Return all fields seen, or far fewer that suffice for these rows."""
        template, sent, silent, _ = self._all
        names = template.keys() & chain.from_iterable(rows)
        if len(template) < _MANY_TIMES * len(names):
            return self._all
        is_repeated = self._few.template.keys() == names
        if is_repeated and self._few_lasts:
            return self._few
        places = {name: place for place, name in enumerate(template) if name in names}
        columns = {at: sent[place] for at, place in enumerate(places.values()) if place in sent}
        blank = [at for at, place in enumerate(places.values()) if place in silent]
        # For rows that come once, making a type would cost more than it saves.
        layout = self._layout(list(columns.values()), is_repeated)
        self._few = Seen({name: template[name] for name in places}, columns, blank, layout)
        self._few_lasts = is_repeated
        return self._few

    def _learn(self, rows: Sequence[dict[str, object]]) -> None:
        """Add new fields to the template."""
        template, sent, silent, _ = self._all
        before, known = len(template), {column.name for column in sent.values()}
        for row in rows:
            if template.keys() >= row.keys():
                continue
            for name, value in row.items():
                if name in template or len(template) == _MOST_FIELDS:
                    continue
                field, place = self._fields[name], len(template)
                column = None
                if name in self._marks or (not field.is_left_out and (field.fault or field.name in known)):
                    if not _is_blank(value) or name in self._cleared:
                        continue
                    silent.append(place)
                elif not field.is_left_out:
                    column = sent[place] = self._column(name, field.name, field.convert)
                    known.add(field.name)
                template[name] = UNSET if column and column.is_cleared else ""
        if len(template) > before:
            self._all = self._all._replace(layout=self._layout(list(sent.values()), True))


def _cells(seen: Seen, rows: Sequence[dict[str, object]]) -> list[tuple[object, ...]] | None:
    """Return the columns if all rows have exactly these fields; else None."""
    if len(seen.template) < 2 or set(map(len, rows)) != {len(seen.template)}:
        return None
    try:
        return list(zip(*map(itemgetter(*seen.template), rows), strict=True))
    except KeyError:
        return None


def _texts(values: Sequence[object], apart: set[int]) -> list[Text]:
    """Return trimmed texts. Rows with a value that is no text are added to `apart`."""
    try:
        return list(map(str.strip, values))  # type: ignore[arg-type]
    except TypeError:
        pass  # some are no texts
    texts = [value if value is UNSET else spell(value) for value in values]
    apart.update(row for row, text in enumerate(texts) if text is None)
    return texts  # type: ignore[return-value]  # where it is None, the row is apart


def _is_blank(value: object) -> bool:
    return value is None or value == "" or spell(value) == ""
