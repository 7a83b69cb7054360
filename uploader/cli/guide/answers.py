"""What an answer does: a state and a typed line make the next state.

In    the text of the project file, the questions ahead, and what was typed.
Out   the next state. The text changes with each decision, so it can be saved after each of them.
Raise nothing.
Rules Enter takes what is proposed, and nothing where nothing is. A number takes what stands beside it, a
      letter what the question says. A longer text is searched for.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from uploader.check.mapping_edits import UneditableError, decisions
from uploader.model.column_names import folded

BACK, LEAVE = "b", "q"
#: Matches of a search that are listed.
_LISTED = 9


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that can be decided."""

    name: str  #: what a search looks for, with `about`
    about: str = ""
    write: Callable[[str], str] | None = None  #: the text of the file with the decision; None: it stays
    property: str = ""  #: that a column is mapped to by it
    skips_group: bool = False  #: with the other questions of its group


@dataclass(frozen=True, slots=True)
class Question:
    """One question."""

    title: str
    about: Sequence[str] = ()
    choices: Sequence[Choice] = ()  #: by number
    is_proposed: bool = False  #: Enter takes the first choice
    letters: Mapping[str, Choice] = field(default_factory=dict)
    known: Sequence[Choice] = ()  #: that a text is searched in
    what: str = ""  #: what those are: `properties`
    group: str = ""
    #: A column's: the others beside it, with their properties as far as the file does not say them.
    beside: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """What is decided, and what is asked."""

    text: str  #: of the project file
    ahead: Sequence[Question] = ()  #: the first one is asked now
    found: Sequence[Choice] = ()  #: by the last search; these have the numbers then
    note: str = ""  #: on the last answer
    has_left: bool = False
    before: "State | None" = None  #: the former question
    answered: int = 0

    @property
    def choices(self) -> Sequence[Choice]:
        """Those that have a number now."""
        return self.found or self.ahead[0].choices

    @property
    def proposed(self) -> Choice | None:
        """What Enter takes."""
        return self.choices[0] if self.found or self.ahead[0].is_proposed else None


def answered(state: State, typed: str) -> State:
    """The state after an answer. `state` has a question ahead."""
    question, text = state.ahead[0], typed.strip()
    if text == LEAVE:
        return replace(state, has_left=True, note="")
    if text == BACK:
        return replace(state.before, note="") if state.before else _said(state, "This is the first question.")
    if not text:
        return _taken(state, state.proposed) if state.proposed else _said(state, _nothing_proposed(question))
    if choice := question.letters.get(text.lower()):
        return _taken(state, choice)
    if text.isdecimal() and state.choices and 1 <= int(text) <= len(state.choices):
        return _taken(state, state.choices[int(text) - 1])
    return _searched(state, text)


def _taken(state: State, choice: Choice) -> State:
    question = state.ahead[0]
    if choice.property and (other := _other_column(state, choice.property)):
        return _said(state, f"{choice.property} is the property of column {other!r} already.")
    try:
        text = choice.write(state.text) if choice.write else state.text
    except UneditableError as error:
        return _said(state, f"The file was not changed: {error}. s goes on.")
    ahead = state.ahead[1:]
    if choice.skips_group:
        ahead = [one for one in ahead if one.group != question.group]
    return State(text, ahead, before=state, answered=state.answered + 1)


def _other_column(state: State, name: str) -> str:
    """The column beside the one that is asked about that has this property; "" if none has."""
    beside, file = state.ahead[0].beside, decisions(state.text)
    said = {folded(column): property_ for column, property_ in file.mapped.items()}
    said |= dict.fromkeys(map(folded, file.ignored), "")
    return next((column for column in beside if said.get(column, beside[column]) == name), "")


def _searched(state: State, text: str) -> State:
    question = state.ahead[0]
    if not question.known or len(text) == 1:  # a letter is no text
        return _said(state, f"{text!r} is none of the numbers and letters above.")
    words = _plain(text).split()
    found = [one for one in question.known if all(word in _sought(one) for word in words)]
    if not found:
        return replace(_said(state, f"There are no {question.what} with {text!r}."), found=())
    found.sort(key=lambda one: _rank(one, " ".join(words)))
    more = len(found) - _LISTED
    note = f"{more:,} more have {text!r}: type more of the name." if more > 0 else ""
    return replace(state, found=found[:_LISTED], note=note)


def _sought(choice: Choice) -> str:
    return _plain(f"{choice.name} {choice.about}")


def _plain(text: str) -> str:
    """The text as it is searched, without case and accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def _rank(choice: Choice, text: str) -> int:
    """Names that are the text come first, then those that begin with it."""
    name, about = _plain(choice.name), _plain(choice.about)
    if text in {name, about}:
        return 0
    return 1 if name.startswith(text) or about.startswith(text) else 2


def _said(state: State, note: str) -> State:
    return replace(state, note=note)


def _nothing_proposed(question: Question) -> str:
    search = ", or a text to search for" if question.known else ""
    return f"Nothing is proposed: type a number or a letter{search}."
