"""The content of a report: a job's figures from its checkpoint, in groups and words.

Personal data is left out unless it is asked for: there are no keys, and no messages as the server wrote them.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any

from uploader.model.counted import counted
from uploader.model.outcomes import Outcome
from uploader.model.redaction import without_addresses, without_identifiers
from uploader.model.rows import Content, Unreadable
from uploader.model.settled_rows import Tallies
from uploader.model.timeline import Interval, merged, percentile
from uploader.records.column_conversion import shortened
from uploader.records.columns import OWN_PREFIX
from uploader.records.repeated_keys import KeyCount

#: Groups of failed rows that are shown, and examples of each.
MOST_GROUPS, EXAMPLES = 40, 12
#: Beyond this many different reasons, failed rows are grouped by category alone.
_MOST_REASONS = 2_000
#: Different messages that are counted, over all groups.
_MOST_MESSAGES = 20_000
_MOST_CHARACTERS, _MESSAGE_CHARACTERS = 2_000, 240
#: Values in a message that the row has in another form: after a colon and before "was not", in quotes, or in
#: a list. An apostrophe inside a word, such as a column's, opens no quotes.
_VALUE = re.compile(r"""(?<=: )[^:]*?(?= was not )|(?<!\w)'[^']*'(?!\w)|"[^"]*"|\[.*""", re.DOTALL)
_WORD = re.compile(r"""(?:[^\s"'\[\](){}<>;,:]|[,:](?=[\w/]))+""")
_NUMBER = re.compile(r"\d{3}")
#: Names that stay although they may hold digits: a property before a colon, and a status.
_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?=:(?:\s|$))|(?:(?<=HTTP )|HTTP_)\d{3}\b")
_SHORTEST_VALUE = 2


def without_values(message: str, values: Iterable[str] = ()) -> str:
    """A reason in one line, without values, so that rows can be grouped by it. `values`: those of the row."""
    text = message[:_MOST_CHARACTERS]
    for value in sorted({value.strip() for value in values}, key=len, reverse=True):
        # As faults show values, and as HubSpot's messages do.
        for quoted in (repr(shortened(value)), repr(value), json.dumps(value, ensure_ascii=False)):
            text = text.replace(" ".join(quoted.split()), "...") if value else text
        if len(value) >= _SHORTEST_VALUE and value in text:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "...", text)
    text = _WORD.sub(_without_value, _VALUE.sub("...", without_identifiers(text)))
    if len(text) <= _MESSAGE_CHARACTERS:
        return text
    return f"{text[:_MESSAGE_CHARACTERS].rpartition(' ')[0]} ..."


def _without_value(word: re.Match[str]) -> str:
    """Replace the whole word if it holds a number or an address: a part of it would look like a value."""
    varies = "@" in word[0] or _NUMBER.search(word[0])
    return "..." if varies and not _NAME.match(word.string, word.start()) else word[0]


def values_of(content: Content, columns: Sequence[str] = ()) -> list[str]:
    """The values of a failed row, to be left out of its reason. `columns`: of the cells. The columns that
    uploader has added to a file of failed rows hold no values of people, but the reason itself.
    """
    if isinstance(content, Unreadable):
        return []
    if isinstance(content, Mapping):
        return [str(one) for name, one in content.items() if one is not None and not _is_own(name)]
    names = chain(columns, repeat(""))
    return [str(cell) for name, cell in zip(names, content, strict=False) if not _is_own(name)]


def _is_own(column: str) -> bool:
    return column.startswith(OWN_PREFIX)


@dataclass(slots=True)
class Example:
    row: int
    source: int
    key: str  #: "" unless values are asked for
    message: str  #: in the same way


@dataclass(slots=True)
class Group:
    """Failed rows with the same reason."""

    outcome: str
    category: str
    reason: str
    count: int = 0
    correlation_id: str = ""  #: of the first that has one
    examples: list[Example] = field(default_factory=list)
    messages: Counter[str] = field(default_factory=Counter)  #: with values, each with its number of rows
    has_more: bool = False  #: there are more messages than are counted

    @property
    def distinct(self) -> str:
        """How many different messages, and so values, there are; "" if there is one."""
        if len(self.messages) < 2 and not self.has_more:
            return ""
        return f"{'more than ' if self.has_more else ''}{len(self.messages):,}"

    @property
    def most_frequent(self) -> list[tuple[str, int]]:
        return self.messages.most_common(EXAMPLES)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    groups: Sequence[Group]  #: the largest first
    others: int  #: in further groups
    other_groups: int


class Grouping:
    """Groups failed rows, given in file order, and keeps examples."""

    def __init__(self, *, with_values: bool) -> None:
        self._with_values = with_values
        self._room = _MOST_MESSAGES
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
        self._note_message(group, message[:_MESSAGE_CHARACTERS])
        group.correlation_id = group.correlation_id or correlation_id
        return group

    def _note_message(self, group: Group, message: str) -> None:
        """Count a message of a group, if it is counted already or there is room for another one."""
        if message not in group.messages:
            if not self._room:
                group.has_more = True
                return
            self._room -= 1
        group.messages[message] += 1

    def exemplify(self, group: Group, row: int, source: int, key: str, message: str) -> None:
        """Add a row as an example, unless the group has enough."""
        if len(group.examples) < EXAMPLES:
            shown = (key, message[:_MESSAGE_CHARACTERS]) if self._with_values else ("", "")
            group.examples.append(Example(row, source, *shown))

    def found(self) -> DeadLetters:
        """The largest groups, and counts of the rows and groups left out."""
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
    Outcome.UPDATED: "HubSpot confirmed a changed record",
    Outcome.UNCHANGED: "read first; nothing to write",
    Outcome.REJECTED: "HubSpot refused the row permanently",
    Outcome.INVALID: "never sent: the row is not valid",
    Outcome.SKIPPED: "never sent, because of an option, or as the line is no row",
    Outcome.ABANDONED: "no definite answer after all attempts",
    Outcome.PENDING: "accepted, but neither confirmed nor refused",
}


def outcome_lines(tallies: Tallies) -> list[OutcomeLine]:
    """Every outcome that has rows, and the rows still open; their counts add up to the rows read."""
    whole = max(1, tallies.rows)
    counts = [(outcome.value, tallies.outcomes[outcome], _MEANINGS[outcome]) for outcome in Outcome]
    counts.append(("open", tallies.open, "read, but no outcome yet"))
    always = {"created", "updated", "rejected", "invalid", "open"}
    return [
        OutcomeLine(name, count, count / whole, meaning)
        for name, count, meaning in counts
        if count or name in always
    ]


def verdict(tallies: Tallies, *, is_undone: bool = False) -> str:
    """What became of the rows, in a sentence with shares. `is_undone`: an undo was begun since."""
    if not tallies.rows:
        return "No rows were read."
    # What was left out is counted below.
    has_all = not (tallies.values_dropped or tallies.values_spared)
    as_they_are = " as the file has them" if has_all else ", without the values that were left out"
    groups = (
        (
            f"were in HubSpot{as_they_are}, before the undo" if is_undone else f"are in HubSpot{as_they_are}",
            (Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED),
        ),
        ("failed", (Outcome.REJECTED, Outcome.INVALID, Outcome.ABANDONED)),
        ("were skipped", (Outcome.SKIPPED,)),
        ("are neither confirmed nor refused", (Outcome.PENDING,)),
    )
    counts = [(what, sum(tallies.outcomes[one] for one in some)) for what, some in groups]
    counts.append(("are open", tallies.open))
    first, *rest = [
        f"{count:,} ({share_text(count / tallies.rows)}) {what}"
        for place, (what, count) in enumerate(counts)
        if count or not place
    ]
    others = f"; {', '.join(rest)}" if rest else ""
    return f"Of {counted(tallies.rows, 'row')}, {first}{others}."


_COMPARED = (
    ("equal", "as uploaded"),
    ("hubspot", "as uploaded, apart from HubSpot's own changes"),
    ("differs", "differ"),
    ("missing", "missing"),
    ("not checked", "not checked"),
)


_COMPARED_LINKS = (
    ("equal", "as made"),
    ("link missing", "missing"),
    ("label missing", "without their label"),
    ("other primary", "with another primary record"),
    ("link not checked", "not checked"),
    ("pending link there", "pending and there"),
    ("pending link missing", "pending and missing"),
)


def verified_text(result: Mapping[str, Any], ended: str) -> str:
    """What the last complete `verify` found. `ended`: when."""
    counts, records = result["counts"], result.get("records", 0)
    sample = " (a sample)" if result.get("is_sample") else ""
    parts = [f"{counts[name]:,} {words}" for name, words in _COMPARED if counts.get(name)]
    of = f"Verified at {ended}: of {counted(records, 'record')}{sample}"
    text = f"{of}, {', '.join(parts) or 'none to compare'}"
    links = result.get("links")
    if isinstance(links, Mapping):
        parts = [f"{links[name]:,} {words}" for name, words in _COMPARED_LINKS if links.get(name)]
        text += f"; of {counted(sum(links.values()), 'link')}, {', '.join(parts) or 'none to compare'}"
    return f"{text}."


def share_text(value: float) -> str:
    """Such as `4.2 %`; `0 %` and `100.0 %` are exact."""
    if value < 0.001:
        return "< 0.1 %" if value else "0 %"
    return "> 99.9 %" if 0.9995 <= value < 1 else f"{value:.1%}".replace("%", " %")


#: Below this share of the quota the reason is told; a shorter job cannot fill the quota.
_FULL_SHARE, _SHORT_SECONDS, _PAUSED_SHARE = 0.9, 30.0, 0.1


def throughput_text(whole: Interval, tallies: Tallies) -> str:
    """The requests a second as a share of the quota, with the reason if it is low; "" if not known."""
    if not whole.per_second or not whole.answers:
        return ""
    rate, paused = whole.answers / whole.seconds, sum(whole.paused.values())
    share = rate / whole.per_second
    text = f"{rate:.1f} requests/s, {share_text(share)} of the quota of {whole.per_second:.1f}"
    if share >= _FULL_SHARE:
        return f"{text}: the quota set the pace"
    if paused > _PAUSED_SHARE * whole.seconds:
        cause = max(whole.paused, key=lambda name: whole.paused[name])
        return f"{text}: for {share_text(paused / whole.seconds)} of the time requests were paused ({cause})"
    if whole.seconds < _SHORT_SECONDS:
        return f"{text}: the job was too short to use the quota"
    if tallies.held_back * 10 > tallies.rows:
        return f"{text}: rows of the same record were written one after the other"
    slow = percentile(whole.latencies, 0.5)
    answers = f", half of the answers took longer than {slow:.2g} s" if slow is not None else ""
    return f"{text}: at most {whole.most_in_flight:,} requests were in flight{answers}"


_STATUSES = {
    "0": "no answer",
    "200": "all of the batch",
    "201": "all of the batch",
    "207": "part of the batch: not the records that were refused, or that a read did not find",
    "400": "refused",
    "401": "the token was refused",
    "409": "a conflict",
    "423": "locked: too much at once",
    "429": "the quota was used up",
    "477": "the account is being moved",
    "524": "gateway timeout",
}


@dataclass(frozen=True, slots=True)
class StatusLine:
    status: str
    count: int
    share: float
    meaning: str


def status_lines(whole: Interval) -> list[StatusLine]:
    """Replies by status, the most frequent first."""
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


def elsewhere_text(whole: Interval, tallies: Tallies) -> str:
    """How many requests are not among the replies by status; "" if none is."""
    count = tallies.requests - whole.answers
    if count <= 0 or not whole.answers:
        return ""
    return f"{count:,} of them were sent before the first row or after the last one and are not listed here"


def repeated_lines(most: Sequence[KeyCount], *, with_values: bool) -> list[tuple[str, int]]:
    """Keys with the number of their rows; without values how many keys have as many rows."""
    if with_values:
        return [(one.value, one.rows) for one in most]
    keys = Counter(one.rows for one in most)
    return [(counted(count, "key"), rows) for rows, count in keys.items()]


def whole_of(intervals: Sequence[Interval]) -> Interval:
    """The whole job as one interval."""
    if not intervals:
        return Interval(0, 1)
    seconds = intervals[-1].began + intervals[-1].seconds - intervals[0].began
    return merged(intervals[0].began, seconds, intervals)


def latency_text(interval: Interval) -> str:
    """Such as `p50 0.2 s, p95 0.4 s, p99 1.3 s`; "" if there was no reply."""
    shares = [(name, percentile(interval.latencies, share)) for name, share in PERCENTILES]
    return ", ".join(f"{name} {seconds:.2g} s" for name, seconds in shares if seconds is not None)


PERCENTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def day_texts(intervals: Sequence[Interval]) -> list[str]:
    """The account's daily quota before and after the job, in words. It includes the use by other apps."""
    known = [one for one in intervals if one.day_limit]
    if not known:
        return []
    first, last = known[0], known[-1]
    texts = [f"at the start {first.day_left:,} of the account's {first.day_limit:,} daily requests were left"]
    if last is not first:
        texts.append(f"at the end {last.day_left:,} of {last.day_limit:,}")
    return texts


_DEFAULTS: tuple[object, ...] = ("", None, False, [], {}, "in-order", "all")


def setting_lines(settings: Mapping[str, object], names: Mapping[str, str]) -> list[tuple[str, str]]:
    """The job's settings as option and text, without defaults. `names`: the options of settings.

    An owner map, which names people, is shown only as its number of entries, and so are tables of values.
    Addresses are left out.
    """
    lines = []
    for name, value in settings.items():
        if value in _DEFAULTS:
            continue
        option = names.get(name, name)
        if name == "owner_map" and isinstance(value, Mapping):
            lines.append((option, f"{len(value):,} entries"))
        elif name == "values" and isinstance(value, Mapping):
            lines.append((option, _listed([f"{column}: {len(table):,}" for column, table in value.items()])))
        elif isinstance(value, Mapping):
            none = _NONE.get(name, "yes")
            texts = [f"{left or 'all'} = {_value_text(right, none)}" for left, right in value.items()]
            lines.append((option, _listed(texts)))
        elif isinstance(value, Sequence) and not isinstance(value, str):
            lines.append((option, _listed([str(one) for one in value])))
        else:
            lines.append((option, "yes" if value is True else str(value)))
    return [(option, without_addresses(text)) for option, text in lines]


#: What a column without values of its own means, if it does not mean yes.
_NONE = {"blank_values": "no word"}


def _value_text(value: object, none: str) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or none
    return str(value)


def _listed(texts: Sequence[str], most: int = 30) -> str:
    more = f"; and {len(texts) - most:,} more" if len(texts) > most else ""
    return "; ".join(texts[:most]) + more
