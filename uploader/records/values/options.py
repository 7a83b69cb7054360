"""The option of a property that a text names.

In    the text of one value, the options of its property, and the column's word for what is both.
Out   the value of the option, or of several the values joined by `;`; else a `Fault`, whose reason continues
      the sentence that names the value.
Raise nothing.
Rules An option is found by its value, else its label, else by either in another case if only one option has
      it. A text that is the value of one option and the label of another is asked for, by column. Of a single
      checkbox the usual words for yes and no are found, too, where no option has them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from uploader.hubspot.schema import Kind, Option
from uploader.model.column_names import quoted
from uploader.model.rows import Fault
from uploader.records.values.lists import convert_parts

_TRUE = "true t yes y on 1 ja wahr oui vrai si sí verdadero sim checked"
_FALSE = "false f no n off 0 nein falsch non faux falso não unchecked"
BOOLEANS = {**dict.fromkeys(_TRUE.split(), "true"), **dict.fromkeys(_FALSE.split(), "false")}

#: What a text that is one option's value and another one's label can mean.
VALUE, LABEL = "value", "label"


def option_finder(kind: Kind, options: Sequence[Option], reading: str | None) -> Callable[[str], str | Fault]:
    """Return the function that finds the options of a property. `reading`: of the column."""
    choices = Choices(options, reading)
    if kind.is_boolean:
        return partial(_as_checkbox, choices=choices, words=_words_of(options))
    return choices.find_all if kind.is_multiple else choices.find


class Choices:
    """The options of one property."""

    def __init__(self, options: Sequence[Option], reading: str | None = None) -> None:
        """`reading`: "value" or "label", of a text that is both."""
        self._reading = reading
        self._clashing = clashing_options(options)
        self._values = frozenset(option.value for option in options)
        self._labels: dict[str, list[Option]] = {}
        self._folded: dict[str, set[str]] = {}
        for option in options:
            self._labels.setdefault(option.label.strip(), []).append(option)
            for text in (option.value, option.label):
                self._folded.setdefault(text.strip().casefold(), set()).add(option.value)

    def has(self, text: str) -> bool:
        """Whether some option has this value or label, in any case."""
        return text.casefold() in self._folded

    def find(self, text: str) -> str | Fault:
        if text in self._clashing and self._reading is None:
            return Fault(_clash_text(self._clashing[text], "COLUMN"), "OPTION")
        if text in self._values and not (text in self._clashing and self._reading == LABEL):
            return text
        labelled = self._labels.get(text, [])
        # A label that was given again: the option that was hidden for it is not meant.
        named = {o.value for o in labelled if not o.hidden} or {o.value for o in labelled}
        found = named or self._folded.get(text.casefold(), set())
        if len(found) > 1:
            return Fault(
                f"could be {' or '.join(sorted(found)[:3])}: use the internal value of the option", "OPTION"
            )
        return next(iter(found)) if found else Fault("is not an option of the property", "OPTION")

    def find_all(self, text: str) -> str | Fault:
        """Return the options of a list, separated by `;`, or by another mark if each part is an option."""
        if text in self._values or (";" not in text and isinstance(self.find(text), str)):
            return self.find(text)
        if ";" not in text:
            for mark in OTHER_MARKS:
                parts = [part for raw in mark.split(text) if (part := raw.strip())]
                found = [self.find(part) for part in parts]
                if len(parts) > 1 and all(isinstance(one, str) for one in found):
                    return ";".join(str(one) for one in found)
        return convert_parts(text, self.find)


def clashing_options(options: Sequence[Option]) -> dict[str, str]:
    """Return the texts that are the value of one option and the label of another, with the value of that."""
    values = {option.value for option in options}
    labels = [(option.label.strip(), option.value) for option in options]
    return {label: value for label, value in labels if label in values and label != value}


def clash_in(text: str, clashing: Mapping[str, str], column: str) -> str:
    """Return the question about a cell that holds such a text; "" if it holds none."""
    parts = [part.strip() for part in (text, *_ANY_MARK.split(text))]
    found = next((part for part in parts if part in clashing), "")
    return f"{found!r} {_clash_text(clashing[found], column)}" if found else ""


def _clash_text(value: str, column: str) -> str:
    return (
        f"is the value of one option and the label of the option with the value {value!r}: use --options "
        f"{quoted(f'{column}={VALUE}')} or ={LABEL}"
    )


_ANY_MARK = re.compile(r"[;|\n,]")
#: What separates the options of a list, beside `;`.
OTHER_MARKS = (re.compile(r"[|\n]"), re.compile(r","))


def _as_checkbox(text: str, choices: Choices, words: Mapping[str, str]) -> str | Fault:
    """Return the option, else the one that a word for yes or no stands for."""
    found = choices.find(text)
    if isinstance(found, str) or choices.has(text):
        return found
    word = BOOLEANS.get(text.casefold())
    return (words.get(word) if word else None) or found


def _words_of(options: Sequence[Option]) -> dict[str, str]:
    """The options that stand for true and false, by their values or labels; none that contradicts itself, and
    none of several.
    """
    if not options:
        return {"true": "true", "false": "false"}
    found: dict[str, set[str]] = {}
    for option in options:
        meanings = {BOOLEANS.get(text.strip().casefold(), "") for text in (option.value, option.label)} - {""}
        if len(meanings) == 1:
            found.setdefault(meanings.pop(), set()).add(option.value)
    return {meaning: values.pop() for meaning, values in found.items() if len(values) == 1}
