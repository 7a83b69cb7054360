"""Rows of one layout as a table, judged and converted column by column.

In    the trimmed texts of rows, column by column.
Out   the texts as HubSpot expects them, without keys; by row, what is wrong with it or with single values.
Raise nothing because of a row.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar, cast

from uploader.model.column_names import quoted
from uploader.model.records import EMAIL, lock_key, lock_keys
from uploader.model.rows import Fault, Row
from uploader.records.layouts import Layout, Text
from uploader.records.values.convert import MOST_CHARACTERS, is_text, text_fault
from uploader.records.values.email import implausible_emails
from uploader.records.values.nothing import hold_nothing, is_nothing
from uploader.records.values.wrappings import LOST_DIGITS, has_lost_digits, have_lost_digits

#: What a column is converted from: its text, or its text and another one.
Given = TypeVar("Given", Text, tuple[Text, str | None])


Item = TypeVar("Item")


class BadValue(NamedTuple):
    """A value that HubSpot would refuse, by its property."""

    name: str
    fault: Fault


@dataclass(slots=True)
class Table:
    """Rows of one layout. A row's index in the table is its place, from 0."""

    layout: Layout
    positions: Sequence[int]
    rows: Sequence[Row]
    columns: list[list[Text]]  #: as `Layout.columns`
    faults: dict[int, list[Fault]] = field(default_factory=dict)  #: of a row
    bad: dict[int, list[BadValue]] = field(default_factory=dict)  #: of a row, one for each property at most
    superseded: dict[int, str] = field(default_factory=dict)  #: the later row of a row
    wordless: dict[int, str] = field(
        default_factory=dict
    )  #: of a row, the word for nothing in place of a key

    def translate(self) -> None:
        """Replace the texts that the user's tables name."""
        for at, translate in self.layout.translated:
            texts = self.columns[at]
            made = {text: translate(text) if text else text for text in set(texts)}
            self.columns[at] = [made[text] for text in texts]

    def blank_wordless_keys(self) -> None:
        """Take words for nothing, such as `NULL`, for blanks where a row has its key."""
        for at, _ in self.layout.keys:
            texts = self.columns[at]
            if hold_nothing(texts):
                found = {row: text for row, text in enumerate(texts) if text and is_nothing(text)}
                self.wordless.update(found)
                self.columns[at] = [
                    self.layout.blanks[at] if row in found else text for row, text in enumerate(texts)
                ]

    def refuse_lost_keys(self) -> None:
        """Note keys that have lost digits: the same text may stand for many keys."""
        for at, _ in self.layout.keys:
            texts = self.columns[at]
            if have_lost_digits(_given(texts)):
                for row, text in enumerate(texts):
                    if text and has_lost_digits(text):
                        self._note(row, at, text, LOST_DIGITS)

    def convert(self) -> None:
        """Convert the columns, with those that hold set stages. Texts that cannot be converted stay, and are
        noted as bad.
        """
        self.columns += ([text] * len(self.rows) for text in self.layout.set_stages)
        for at, convert in self.layout.converted:
            texts = self.columns[at]
            self._put(at, texts, {text: convert(text) if text else text for text in set(texts)})
        for at, beside, pipeline, convert in self.layout.staged:
            others: list[str | None] = [pipeline] * len(self.rows)
            if beside is not None:
                others = [text or "" for text in self.columns[beside]]
                for row in self._rows_with_bad(convert.pipeline_property):
                    others[row] = None
            pairs = list(zip(self.columns[at], others, strict=True))
            made = {(text, other): convert(text, other) if text else text for text, other in set(pairs)}
            self._put(at, pairs, made)

    def _put(self, at: int, given: Sequence[Given], made: Mapping[Given, Text | Fault]) -> None:
        """Replace a column by what was made of its texts, `given` with or without what stands beside them."""
        converted = [made[one] for one in given]
        if any(isinstance(one, Fault) for one in made.values()):
            for row, (text, one) in enumerate(zip(self.columns[at], converted, strict=True)):
                if isinstance(one, Fault) and isinstance(text, str):
                    self._note(row, at, text, one)
                    converted[row] = text
        self.columns[at] = cast("list[Text]", converted)  # no faults among them

    def _rows_with_bad(self, name: str) -> list[int]:
        """Return the rows whose value of a property is bad."""
        return [row for row, bad in self.bad.items() if any(one.name == name for one in bad)]

    def check_texts(self, *, has_addresses: bool) -> None:
        """Note texts that no property takes, whatever its type, and texts that are no e-mail addresses."""
        at = self.layout.places.get(EMAIL)
        if has_addresses and at is not None:
            self._check_addresses(at)
        for at, texts in enumerate(self.columns):
            joined = _joined(texts)
            is_short = len(joined) <= MOST_CHARACTERS or max(map(len, _given(texts))) <= MOST_CHARACTERS
            if is_short and "\0" not in joined and is_text(joined):
                continue
            for row, text in enumerate(texts):
                found = text_fault(text) if text else None
                if text and found:
                    self._note(row, at, text, found)

    def _check_addresses(self, at: int) -> None:
        """Note texts that are no e-mail addresses as bad."""
        column, texts = self.layout.columns[at].column, self.columns[at]
        given = _given(texts)
        wrong = set(map(given.__getitem__, implausible_emails(given)))
        for row, text in enumerate(texts) if wrong else ():
            if text in wrong:
                fault = Fault(f"{text!r} is not an e-mail address", "EMAIL", column)
                self.bad.setdefault(row, []).append(BadValue(EMAIL, fault))

    def _note(self, row: int, at: int, text: str, fault: Fault) -> None:
        """Note a bad value, once for each property."""
        column = self.layout.columns[at]
        bad = self.bad.setdefault(row, [])
        if all(one.name != column.name for one in bad):
            bad.append(BadValue(column.name, said(column.column, text, fault)))

    def take_keys(self) -> tuple[list[str], list[str]]:
        """Return for each row the first match property that it has, and its value ("" if it has none).
        These values are removed from the columns.
        """
        layout, count = self.layout, len(self.rows)
        if len(layout.keys) == 1:
            ((at, name),) = layout.keys
            keys = [text or "" for text in self.columns[at]]
            self.columns[at] = [layout.blanks[at]] * count
            return [name] * count, keys
        names, keys = [layout.match[0]] * count, [""] * count
        for row in range(count):
            for at, name in layout.keys:
                key, self.columns[at][row] = self.columns[at][row], layout.blanks[at]
                if key:
                    names[row], keys[row] = name, key
                    break
        return names, keys

    def drop_bad(self, names: Sequence[str]) -> dict[int, tuple[Fault, ...]]:
        """Remove bad values, and return their faults by row. A bad key, whose property `names` gives,
        stays.
        """
        dropped = {}
        for row, bad in list(self.bad.items()):
            out = [one for one in bad if one.name != names[row]]
            for one in out:
                at = self.layout.places[one.name]
                self.columns[at][row] = self.layout.blanks[at]
            dropped[row] = tuple(one.fault for one in out)
            self.bad[row] = [one for one in bad if one.name == names[row]]
            if not self.bad[row]:
                del self.bad[row]
        return dropped

    def without(self, places: Collection[int]) -> "Table":
        """Return the table without the rows that have faults, whose places these are, in order."""
        if not places:
            return self
        columns = [without(texts, places) for texts in self.columns]
        return Table(self.layout, without(self.positions, places), without(self.rows, places), columns)

    def unique_values(self, names: Sequence[str], keys: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the lock keys of each row, that of its key first."""
        own = lock_keys(names[0], keys) if len(set(names)) == 1 else list(map(lock_key, names, keys))
        others = [
            [lock_key(name, text) if text else "" for text in self.columns[at]]
            for at, name in self.layout.unique
            if any(self.columns[at])
        ]
        if not others:
            return list(zip(own, strict=True))
        return [(key, *filter(None, more)) for key, *more in zip(own, *others, strict=True)]


def without(items: Sequence[Item], places: Collection[int]) -> list[Item]:
    """Return the items without those at these places, which are in order."""
    left = list(items)
    for place in reversed(list(places)):
        del left[place]
    return left


def filled(texts: Sequence[str]) -> list[int]:
    """Return the indexes of texts that are not blank."""
    return [row for row, text in enumerate(texts) if text and text.strip()]


def _given(texts: Sequence[Text]) -> list[str]:
    """Those that are not blank."""
    return list(filter(None, texts))  # type: ignore[arg-type]  # UNSET is false


def _joined(texts: Sequence[Text]) -> str:
    try:
        return "".join(texts)  # type: ignore[arg-type]
    except TypeError:  # UNSET is no text
        return "".join(_given(texts))


_COLUMN = re.compile(r'"COLUMN=([^"]*)"')
#: A value in a fault's reason is shortened to so many characters.
_SHOWN = 40


def shortened(text: str, most: int = _SHOWN) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def said(column: str, text: str, fault: Fault) -> Fault:
    """Return the fault of a value as a sentence of its own, which names column and value."""
    shown = repr(shortened(text))
    # Whoever judges values does not know their columns.
    reason = _COLUMN.sub(lambda word: quoted(f"{column}={word[1]}"), fault.reason)
    return Fault(f"{column}: {shown} {reason}", fault.category, column, fault.texts or (text,))
