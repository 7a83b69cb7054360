"""How numbers and summaries read on a terminal. Text in, text out: nothing is printed here."""

from collections.abc import Callable
from datetime import datetime

from uploader.cli.text.control_characters import harmless
from uploader.hubspot.wire import MAX_INPUTS
from uploader.jobs.summary import Summary, advice
from uploader.model.record import ONLY, Outcome
from uploader.pipeline.rate.daily_quota import Day
from uploader.pipeline.rate.forecast import Forecast
from uploader.records.duplicates import DUPLICATE
from uploader.records.mapper import SUPERSEDED_BY
from uploader.records.suppressed_rows import SUPPRESSED


def duration(seconds: float) -> str:
    """Such as `42 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02} min"


def about(count: int) -> str:
    """An estimate, to three figures: more of them would promise what nobody knows."""
    step = 10 ** max(0, len(str(count)) - 3)
    return f"{round(count / step) * step:,}"


#: Texts that may be that long are sentences rather than names.
_SENTENCE = 100


def printable(text: str, limit: int = 300) -> str:
    """Server and file text on one line, without what a terminal would obey."""
    line = " ".join(harmless(text).split())
    if len(line) <= limit:
        return line
    # What a sentence comes to stands at its end; of a name, the beginning tells most.
    end = limit // 3 if limit >= _SENTENCE else 0
    return f"{line[: limit - end]}...{line[len(line) - end :]}"


#: Why rows were skipped, by the rule.
_RULES = {
    SUPPRESSED: "of people that nothing is to be written to (--suppress, --suppress-where)",
    DUPLICATE: "an earlier row has the same key (--on-duplicate first)",
    SUPERSEDED_BY: "a later row has written the key since (--include-superseded sends them)",
    ONLY: "by what HubSpot holds (--only-new, --only-existing)",
}


def summary_text(summary: Summary) -> str:
    """The whole account of a job, one outcome a line, with the sum that has to hold."""
    tallies = summary.tallies
    lines = [f"{'rows read':>12}  {tallies.rows:>12,}"]
    for outcome in Outcome:
        count = tallies.outcomes[outcome]
        note = f"  ({tallies.replayed:,} replayed)" if outcome is Outcome.UPDATED and tallies.replayed else ""
        if outcome is Outcome.INVALID and tallies.keyless:
            note = f"  ({tallies.keyless:,} without a key)"
        if count or outcome in {Outcome.CREATED, Outcome.UPDATED, Outcome.REJECTED, Outcome.INVALID}:
            lines.append(f"{outcome.value:>12}  {count:>12,}{note}")
        if outcome is Outcome.SKIPPED:
            lines += [f"{'':>26}  {n:,}: {_RULES.get(rule, rule)}" for rule, n in tallies.skips.items()]
    lines.append(f"{'still open':>12}  {tallies.open:>12,}")
    sign = "=" if tallies.settled + tallies.open == tallies.rows else "IS NOT"
    lines.append(f"{'':>12}  {tallies.settled + tallies.open:>12,}  {sign} rows read")
    batches = ", ".join(
        f"{count:,} {printable(status, 40)}" for status, count in sorted(tallies.batches.items())
    )
    lines.append(
        f"requests {tallies.requests:,}, throttled {tallies.throttled:,}, retries {tallies.retries:,}, "
        f"errors named in answers {tallies.num_errors:,}; batches: {batches or 'none'}; "
        f"{duration(summary.elapsed_seconds)}"
    )
    if tallies.values_dropped:
        lines.append(f"values left out: {tallies.values_dropped:,}, since HubSpot would refuse them")
    if tallies.pauses:
        pauses = ", ".join(f"{count:,} x {cause}" for cause, count in sorted(tallies.pauses.items()))
        lines.append(f"pauses: {pauses}")
    if tallies.held_back * 10 > tallies.rows and tallies.records_per_upsert < MAX_INPUTS / 2:
        lines.append(
            f"slow, because rows of one contact are written one after the other, in file order: "
            f"{tallies.held_back:,} had to wait for an earlier one, and a request carries "
            f"{tallies.records_per_upsert:.1f} rows where {MAX_INPUTS} would fit"
        )
    return "\n".join(lines)


def forecast_lines(
    rows: int,
    ahead: Forecast,
    day: Day,
    clock: Callable[[datetime], str],
    *,
    waits: bool,
    reads_first: bool = False,
) -> list[str]:
    """What is likely to happen: how many requests, how long, when it pauses, when it ends."""
    takes = f"{duration(ahead.seconds)}, ends about {clock(ahead.ends_at)}" if ahead.ends_at else "no end"
    reads = " (each hundred is read before it is written)" if reads_first else ""
    lines = [f"about {about(rows)} rows to go: some {about(ahead.requests)} requests{reads}, {takes}"]
    if day.left is not None:
        reserved = day.reserve.of(day.limit)
        spared = f" ({reserved:,} of them are kept for other apps)" if reserved else ""
        lines.append(f"quota left today: {day.remaining or 0:,} of {day.limit or 0:,} requests{spared}")
    if ahead.pauses_at and ahead.goes_on_at:
        spent_at, again_at = clock(ahead.pauses_at), clock(ahead.goes_on_at)
        before = about(ahead.before_pause)
        lines.append(f"the day's quota is used up after some {before} requests, about {spent_at}:")
        lines.append(
            f"it waits until {again_at}{f', {ahead.pauses} times in all' if ahead.pauses > 1 else ''}"
            if waits
            else f"it stops there (exit 75); the same command goes on after {again_at}, "
            "--on-long-pause wait by itself"
        )
    return lines


def ending_text(summary: Summary) -> str:
    """The last line: how it ended and what to do."""
    if summary.tolerance and summary.unsettled and summary.state == "complete":
        within = "no more" if summary.tolerated else "MORE"
        return f"complete; {summary.unsettled:,} rows failed, {within} than --tolerate {summary.tolerance}"
    if not summary.reason:
        return summary.state
    what_next = f"; {advice(summary.cause)}" if summary.cause else ""
    return printable(f"{summary.state}: {summary.reason}") + what_next
