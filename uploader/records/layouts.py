"""The columns that rows of one form have in common, so that work is done for whole columns.

In    the columns that are sent, each with its property; the settings.
Out   a `Layout`: where keys, addresses and unique values are, what is converted, and what holds the
      properties of one record.
Raise nothing.
How   The properties of a record are an instance of a type made for its layout: to make and to encode one
      costs a fraction of a dict. Blanks are the type's defaults, and are not written.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple

import msgspec

from uploader.model.records import Properties
from uploader.records.fixed_values import FixedValues
from uploader.records.values.convert import Converter, StageConverter
from uploader.records.values.translation import Translate

#: Characters that msgspec cannot write in a field's name.
_NOT_IN_NAMES = re.compile(r'["\\\x00-\x1f]')
#: Types in memory at once; a job has one for each source, and some while it learns the fields of NDJSON.
_MOST_TYPES = 16

#: One text of a column. UNSET: the row has no such field, so that not even a blank is sent.
Text = str | msgspec.UnsetType
UNSET = msgspec.UNSET


class Column(NamedTuple):
    """A column that is sent."""

    column: str  #: as the source names it
    name: str  #: of the property
    convert: Converter | None
    is_cleared: bool  #: blanks are sent and clear the property
    translate: Translate | None = None  #: replaces texts before anything else


class Layout:
    """The columns of some rows. Immutable."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        match: Sequence[str],
        unique: Iterable[str],
        fixed: FixedValues,
        is_lasting: bool = True,
    ) -> None:
        """`match`: properties that rows are matched by; `unique`: properties whose values are unique.
        `is_lasting`: many rows have this layout, so that making a type pays.
        """
        constants, stages = fixed
        columns = [
            *columns,
            *(Column(f"--set {name}", name, one, is_cleared=False) for name, (_, one) in stages.items()),
        ]
        #: The texts of the last columns, the same in all rows.
        self.set_stages = tuple(text for text, _ in stages.values())
        self.columns = tuple(columns)
        self.match = tuple(match)
        places = {column.name: place for place, column in enumerate(columns)}
        self.places: Mapping[str, int] = places
        self.keys = [(places[name], name) for name in match if name in places]
        self.unique = [(place, name) for name, place in places.items() if name in unique]
        self.translated = [(i, one.translate) for i, one in enumerate(columns) if one.translate is not None]
        self.converted = [
            (i, one.convert)
            for i, one in enumerate(columns)
            if one.convert is not None and not isinstance(one.convert, StageConverter)
        ]
        #: Stages: their place, that of the pipeline (None: it is the same in all rows), and that pipeline.
        self.staged = [
            (i, places.get(name), constants.get(name, ""), one.convert)
            for i, one in enumerate(columns)
            if isinstance(one.convert, StageConverter) and (name := one.convert.pipeline_property)
        ]
        self.blanks: list[Text] = [UNSET if one.is_cleared else "" for one in columns]
        self.constants = tuple(constants.values())
        names = (*places, *constants)
        self._make = _maker(names, tuple(self.blanks)) if is_lasting else None
        self._names = names
        #: Memory of a record beside its row and the characters of its texts.
        self.overhead_bytes = _RECORD_BYTES + _TEXT_BYTES * min(_MOST_TEXTS, len(names))

    def properties(self, columns: Sequence[Iterable[Text]]) -> list[Properties]:
        """Return the properties to send for each row. `columns`: those of the layout, without keys."""
        everything = (*columns, *map(repeat, self.constants))
        if self._make is not None:
            return list(map(self._make, *everything))
        blanks = (*self.blanks, *repeat(UNSET, len(self.constants)))
        return [
            {
                name: text
                for name, text, blank in zip(self._names, texts, blanks, strict=False)
                if text is not UNSET and (text or blank is UNSET)
            }
            for texts in zip(*everything, strict=False)
        ]


#: Measured memory of an open record, and of each text.
_RECORD_BYTES, _TEXT_BYTES, _MOST_TEXTS = 700, 60, 64


@lru_cache(_MOST_TYPES)
def _maker(names: tuple[str, ...], blanks: tuple[Text, ...]) -> Callable[..., Properties] | None:
    """Return the type of a layout's properties; None if msgspec cannot write their names."""
    if _NOT_IN_NAMES.search("".join(names)):
        return None
    defaults: tuple[Text, ...] = (*blanks, *repeat(UNSET, len(names) - len(blanks)))
    fields: list[tuple[str, Any, Text]] = [(f"f{i}", Text, blank) for i, blank in enumerate(defaults)]
    return msgspec.defstruct(
        "Properties",
        fields,
        rename={f"f{i}": name for i, name in enumerate(names)},
        omit_defaults=True,
        gc=False,
    )
