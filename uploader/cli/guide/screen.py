"""A question as lines that fit the width of a terminal."""

from collections.abc import Iterator, Mapping

from rich.cells import cell_len

from uploader.cli.guide.answers import BACK, LEAVE, Choice, Question, State
from uploader.cli.text.folding import wrapped
from uploader.model.foreign_texts import printable

_INDENT, _PROPOSED = "  ", "  <- Enter"


def question_lines(state: State, width: int) -> list[str]:
    """The question that is asked now; what was typed goes below."""
    question = state.ahead[0]
    lines = ["", *wrapped(printable(question.title), width, "", "")]
    for text in filter(None, question.about):
        lines += wrapped(printable(text), width, _INDENT, _INDENT)
    lines += ["", *_choice_lines(_keyed(state), state.proposed, width)]
    lines += wrapped(_keys(question), width, _INDENT, _INDENT)
    return lines


def note_lines(state: State, width: int) -> list[str]:
    """What is said of the last answer."""
    return wrapped(printable(state.note, 600), width, _INDENT, _INDENT) if state.note else []


def search_lines(state: State, width: int) -> list[str]:
    """What a search found."""
    numbered = {str(number): one for number, one in enumerate(state.found, 1)}
    return ["", *_choice_lines(numbered, state.proposed, width)]


def _keyed(state: State) -> Mapping[str, Choice]:
    numbered = {str(number): one for number, one in enumerate(state.choices, 1)}
    return {**numbered, **state.ahead[0].letters}


def _choice_lines(keyed: Mapping[str, Choice], proposed: Choice | None, width: int) -> Iterator[str]:
    names = {key: printable(one.name, 60) for key, one in keyed.items()}
    column = max((cell_len(name) for key, name in names.items() if keyed[key].about), default=0)
    for key, one in keyed.items():
        about = f"{' ' * max(0, column - cell_len(names[key]))}  {printable(one.about, 60)}" * bool(one.about)
        line = f"{_INDENT}{key:>2}  {names[key]}{about}{_PROPOSED if one is proposed else ''}"
        yield from [line] if cell_len(line) <= width else wrapped(line.strip(), width, _INDENT, _INDENT)


def _keys(question: Question) -> str:
    keys = f"{BACK} goes back, {LEAVE} leaves."
    return f"A text searches {len(question.known):,} {question.what}; {keys}" if question.known else keys
