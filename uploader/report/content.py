"""What a report says of a job: its figures put in groups and words, from what the checkpoint keeps.

Personal data is left out unless it is asked for: no keys, and no message as the server spelled it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from uploader.model.outcomes import Outcome
from uploader.model.redaction import without_identifiers
from uploader.model.settlements import Tallies
from uploader.model.timeline import Interval, merged, percentile

#: Groups of dead letters that are told apart, and examples of each.
MOST_GROUPS, EXAMPLES = 40, 12
#: Reasons that differ from row to row all the same are told by their category alone, beyond so many.
_MOST_REASONS = 2_000
_MOST_CHARACTERS, _MESSAGE_CHARACTERS = 2_000, 240
#: Values in a message: before what is said of them, in quotes, in a list.
_VALUE = re.compile(r"""(?<=: )[^:]*?(?= was not )|'[^']*'|"[^"]*"|\[.*""", re.DOTALL)
_WORD = re.compile(r"""(?:[^\s"'\[\](){}<>;,:]|[,:](?=[\w/]))+""")
_NUMBER = re.compile(r"\d{3}")
#: A property of which something is said, an answer's status: the same in many rows, digits or not.
_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?=:(?:\s|$))|(?:(?<=HTTP )|HTTP_)\d{3}\b")
_SHORTEST_VALUE = 2


def without_values(message: str, values: Iterable[str] = ()) -> str:
    """A reason as it may be shown of many rows, in a line; `values` are the row's own."""
    text = message[:_MOST_CHARACTERS]
    for value in sorted({value.strip() for value in values}, key=len, reverse=True):
        if len(value) >= _SHORTEST_VALUE and value in text:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "...", text)
    text = _WORD.sub(_without_value, _VALUE.sub("...", without_identifiers(text)))
    if len(text) <= _MESSAGE_CHARACTERS:
        return text
    return f"{text[:_MESSAGE_CHARACTERS].rpartition(' ')[0]} ..."


def _without_value(word: re.Match[str]) -> str:
    """Nothing of a word that holds a number or an address: half of it would look like one of its own."""
    varies = "@" in word[0] or _NUMBER.search(word[0])
    return "..." if varies and not _NAME.match(word.string, word.start()) else word[0]


@dataclass(slots=True)
class Example:
    row: int
    source: int
    key: str  #: "" unless values are asked for
    message: str  #: in the same way


@dataclass(slots=True)
class Group:
    """Dead letters that have one reason."""

    outcome: str
    category: str
    reason: str
    count: int = 0
    correlation_id: str = ""  #: of the first that has one
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    groups: Sequence[Group]  #: the largest first
    others: int  #: in further groups
    other_groups: int


class Grouping:
    """Takes in dead letters in file order, and keeps what is shown of them."""

    def __init__(self, *, with_values: bool) -> None:
        self._with_values = with_values
        self._groups: dict[tuple[str, str, str], Group] = {}

    def add(
        self, outcome: str, category: str, message: str, values: Iterable[str], *, correlation_id: str
    ) -> Group:
        reason = without_values(message, values)
        name = (outcome, category, reason)
        if name not in self._groups and len(self._groups) >= _MOST_REASONS:
            name = (outcome, category, "other reasons")
        group = self._groups.setdefault(name, Group(*name))
        group.count += 1
        group.correlation_id = group.correlation_id or correlation_id
        return group

    def exemplify(self, group: Group, row: int, source: int, key: str, message: str) -> None:
        """One row of the group, while it has few examples."""
        if len(group.examples) < EXAMPLES:
            told = (key, message[:_MESSAGE_CHARACTERS]) if self._with_values else ("", "")
            group.examples.append(Example(row, source, *told))

    def found(self) -> DeadLetters:
        ordered = sorted(self._groups.values(), key=lambda group: (-group.count, group.reason))
        rest = ordered[MOST_GROUPS:]
        return DeadLetters(ordered[:MOST_GROUPS], sum(group.count for group in rest), len(rest))


@dataclass(frozen=True, slots=True)
class OutcomeLine:
    name: str
    count: int
    share: float  #: of all rows read
    meaning: str


_MEANINGS = {
    Outcome.CREATED: "HubSpot confirmed a new record",
    Outcome.UPDATED: "HubSpot confirmed a record that was there",
    Outcome.UNCHANGED: "read first; there was nothing to write",
    Outcome.REJECTED: "HubSpot refused the row for good",
    Outcome.INVALID: "never sent: the row can't become an input",
    Outcome.SKIPPED: "never sent, by a rule of yours",
    Outcome.ABANDONED: "attempts ran out without a definite answer",
    Outcome.PENDING: "accepted, and neither confirmed nor refused",
}


def outcome_lines(tallies: Tallies) -> list[OutcomeLine]:
    """Every outcome that has rows, and the rows still open; their counts add up to the rows read."""
    whole = max(1, tallies.rows)
    counted = [(outcome.value, tallies.outcomes[outcome], _MEANINGS[outcome]) for outcome in Outcome]
    counted.append(("open", tallies.open, "read, and not settled yet"))
    always = {"created", "updated", "rejected", "invalid", "open"}
    return [
        OutcomeLine(name, count, count / whole, meaning)
        for name, count, meaning in counted
        if count or name in always
    ]


_STATUSES = {
    "0": "no answer",
    "200": "all of the batch",
    "201": "all of the batch",
    "207": "with errors of single records",
    "400": "refused",
    "401": "the token was refused",
    "409": "a conflict",
    "423": "locked: too much at once",
    "429": "the quota was used up",
    "477": "the account is being moved",
    "524": "the edge gave up waiting",
}


@dataclass(frozen=True, slots=True)
class StatusLine:
    status: str
    count: int
    share: float
    meaning: str


def status_lines(whole: Interval) -> list[StatusLine]:
    """Answers by status, the commonest first."""
    total = max(1, whole.answers)
    ordered = sorted(whole.statuses.items(), key=lambda item: (-item[1], item[0]))
    return [
        StatusLine(
            "none" if status == "0" else status,
            count,
            count / total,
            _STATUSES.get(status, "the server failed" if status >= "5" else ""),
        )
        for status, count in ordered
    ]


def whole_of(intervals: Sequence[Interval]) -> Interval:
    """All of a job as one stretch."""
    if not intervals:
        return Interval(0, 1)
    seconds = intervals[-1].began + intervals[-1].seconds - intervals[0].began
    return merged(intervals[0].began, seconds, intervals)


def latency_text(interval: Interval) -> str:
    """Such as `p50 0.2 s, p95 0.4 s, p99 1.3 s`; "" where nothing was answered."""
    shares = [(name, percentile(interval.latencies, share)) for name, share in PERCENTILES]
    return ", ".join(f"{name} {seconds:.2g} s" for name, seconds in shares if seconds is not None)


PERCENTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def day_texts(intervals: Sequence[Interval]) -> list[str]:
    """What was used of the account's day while the job ran: the whole account's use, not only ours."""
    known = [one for one in intervals if one.day_limit]
    if not known:
        return []
    first, last = known[0], known[-1]
    texts = [f"at first {first.day_left:,} of {first.day_limit:,} requests of the account's day were left"]
    if last is not first:
        texts.append(f"at the end {last.day_left:,} of {last.day_limit:,}")
    return texts


_DEFAULTS: tuple[object, ...] = ("", None, False, [], {}, "in-order", "all")


def setting_lines(settings: Mapping[str, object], names: Mapping[str, str]) -> list[tuple[str, str]]:
    """What the job was told, in words; what is as usual is left out. `names`: of settings, as options.

    Of what names people (an owner map) only how many entries there are is told.
    """
    lines = []
    for name, value in settings.items():
        if value in _DEFAULTS:
            continue
        option = names.get(name, name)
        if name == "owner_map" and isinstance(value, Mapping):
            lines.append((option, f"{len(value):,} entries"))
        elif isinstance(value, Mapping):
            lines.append(
                (
                    option,
                    _listed([f"{left or 'all'} = {_value_text(right)}" for left, right in value.items()]),
                )
            )
        elif isinstance(value, Sequence) and not isinstance(value, str):
            lines.append((option, _listed([str(one) for one in value])))
        else:
            lines.append((option, "yes" if value is True else str(value)))
    return lines


def _value_text(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "a usual yes"
    return str(value)


def _listed(texts: Sequence[str], most: int = 30) -> str:
    more = f"; and {len(texts) - most:,} more" if len(texts) > most else ""
    return "; ".join(texts[:most]) + more
