"""The option that somebody may have meant. It is proposed, and never used before the user approves it.

In    a text that is not an option, and the options of the property.
Out   the option whose value or label is most like the text, or None.
Rules The same letters and digits go before the initials of a label (`MQL`: Marketing Qualified Lead), these
      before a similar spelling. Where two options are equally near, none is proposed.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from uploader.hubspot.schema import Option

#: With more options, similar spellings are not looked for: that would take too long.
_MOST_OPTIONS = 1_000
#: How alike two spellings have to be, from 0 to 1.
_ALIKE = 0.75
_WORDS = re.compile(r"[^\W_]+")


class NearOptions:
    """Finds near options of one property."""

    def __init__(self, options: Sequence[Option]) -> None:
        shown = [option for option in options if not option.hidden] or list(options)
        spelled = [(_bare(text), one) for one in shown for text in (one.label, one.value)]
        self._same = _by_text(spelled)
        initials = (("".join(w[0] for w in _words(one.label)), one) for one in shown)
        self._initials = _by_text((text, one) for text, one in initials if len(text) > 1)

    def find(self, text: str) -> Option | None:
        bare = _bare(text)
        if not bare:
            return None
        for known in (self._same, self._initials):
            if bare in known:
                return _only(known[bare])
        if len(self._same) > _MOST_OPTIONS:
            return None
        close = difflib.get_close_matches(bare, self._same, n=2, cutoff=_ALIKE)
        if len(close) == 2 and _ratio(bare, close[0]) == _ratio(bare, close[1]):
            return _only(list(chain.from_iterable(self._same[one] for one in close)))
        return _only(self._same[close[0]]) if close else None


def _by_text(named: Iterable[tuple[str, Option]]) -> Mapping[str, list[Option]]:
    found: dict[str, list[Option]] = {}
    for text, option in named:
        if text and option not in found.setdefault(text, []):
            found[text].append(option)
    return found


def _only(options: Sequence[Option]) -> Option | None:
    return options[0] if len({option.value for option in options}) == 1 else None


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, one).ratio()


def _words(text: str) -> list[str]:
    return _WORDS.findall(text.casefold())


def _bare(text: str) -> str:
    return "".join(_words(text))
