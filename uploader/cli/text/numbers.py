"""Numbers, durations and foreign texts as they are printed."""

import re

from uploader.cli.text.control_characters import harmless


def duration(seconds: float) -> str:
    """A duration such as `42 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02} min"


def about(count: int) -> str:
    """An estimate rounded to three significant digits."""
    step = 10 ** max(0, len(str(count)) - 3)
    return f"{round(count / step) * step:,}"


#: A command in a text must work when pasted, so such a text is whole, as far as one can read it.
_OPTION, _MOST = re.compile(r"(?<![^\s(`])--[a-z]"), 20_000
#: Texts that may be that long are sentences rather than names.
_SENTENCE = 100


def printable(text: str, limit: int = 300) -> str:
    """Text from a server or file on one line, without control characters; shortened if it has no option."""
    line = " ".join(harmless(text).split())
    if len(line) <= limit or (len(line) <= _MOST and _OPTION.search(line)):
        return line
    # What a sentence comes to stands at its end; of a name, the beginning tells most.
    end = limit // 3 if limit >= _SENTENCE else 0
    return f"{line[: limit - end]}...{line[len(line) - end :]}"
