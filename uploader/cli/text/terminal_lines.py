"""Lines as a terminal shows them: broken between words only, with colour where it helps.

In    a line without control characters, the width of the terminal (0: not known).
Out   lines of at most that width, and the line with escape codes for colours.
Raise nothing.
Rules A command that may be pasted stays whole, on a line of its own. Outcomes and problems have colours, and
      nothing is said by colour alone.
"""

import re

_COMMAND = re.compile(r"(?<= )uploader [a-z-]+ \S.*$")
_GREEN, _YELLOW, _RED, _BOLD, _PLAIN = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[1m", "\x1b[0m"
_COLOURS = {
    **dict.fromkeys(("created", "updated", "would create", "would update", "archived", "restored"), _GREEN),
    **dict.fromkeys(("equal",), _GREEN),
    **dict.fromkeys(("skipped", "pending", "still open", "not previewed", "kept", "gone"), _YELLOW),
    **dict.fromkeys(("rejected", "invalid", "abandoned", "failed", "missing", "differ", "differs"), _RED),
}
_WORDS = "|".join(map(re.escape, sorted(_COLOURS, key=len, reverse=True)))
_NUMBER = r"(?!0\b)\d[\d,]*"
#: An outcome with its number, in a column of them or in a list: `rejected   12`, `12 rejected`.
_OUTCOME = re.compile(
    rf"^ *(?P<first>{_WORDS}) +{_NUMBER}(?= |$)|(?<![\w,]){_NUMBER} +(?P<second>{_WORDS})(?=[,;: ]|$)"
)
#: Words at the beginning of a line that say what is wrong.
_PROBLEM = re.compile(
    r"^ *(?:PROBLEM|WARNING|PARTIAL|NOT WRITTEN|NOT AS SENT|CHANGED|DIFFERENT|MISSING|REJECTED|INVALID"
    r"|ABANDONED|PAUSED)\b|^uploader(?=: )"
)


#: Words at the beginning of a line that say what to decide on, or what was left out.
_CAUTION = re.compile(r"^ *(?:CAUTION|OPT-OUTS|NOT CHECKED)\b(?=:)")


def broken_lines(line: str, width: int) -> list[str]:
    """The line in as many lines as it needs, without a broken word."""
    if not width or (line.isascii() and len(line) <= width):
        return [line]
    # Imported here: a start does without it.
    from rich.cells import cell_len  # noqa: PLC0415

    if cell_len(line) <= width:
        return [line]
    command = _COMMAND.search(line)
    if command is None:
        return _wrapped(line, width)
    before = line[: command.start()].rstrip()
    if not before:
        return [line]
    return [*(_wrapped(before, width) if cell_len(before) > width else [before]), command[0]]


def _wrapped(line: str, width: int) -> list[str]:
    if not (text := line.strip()):
        return [line]
    from uploader.cli.text.folding import wrapped  # noqa: PLC0415  # as above

    indent, _, end = line.partition(text)  # `end`: behind a question
    lines = wrapped(text, width, indent, f"{indent}  " if len(indent) + 2 < width // 2 else "")
    return [*lines[:-1], lines[-1] + end]


def coloured(line: str) -> str:
    """The line with the colours of outcomes and problems."""
    line = _PROBLEM.sub(lambda found: f"{_BOLD}{_RED}{found[0]}{_PLAIN}", line)
    line = _CAUTION.sub(lambda found: f"{_BOLD}{_YELLOW}{found[0]}{_PLAIN}", line)
    return _OUTCOME.sub(
        lambda found: f"{_COLOURS[found['first'] or found['second']]}{found[0]}{_PLAIN}", line
    )
