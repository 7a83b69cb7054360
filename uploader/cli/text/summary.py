"""How the summary of a run reads on a terminal. Text in, text out: nothing is printed here."""

from uploader.cli.text.numbers import duration, printable
from uploader.hubspot.wire import MAX_INPUTS
from uploader.jobs.summary import Summary, advice
from uploader.model.chain import Chain
from uploader.model.outcomes import Outcome
from uploader.model.settlements import ONLY
from uploader.records.duplicates import DUPLICATE
from uploader.records.mapper import SUPERSEDED_BY
from uploader.records.suppressed_rows import SUPPRESSED

#: Why rows were skipped, by the rule.
_RULES = {
    SUPPRESSED: "of people that nothing is to be written to (--suppress, --suppress-where)",
    DUPLICATE: "another row has the same key (--on-duplicate first, last)",
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
    if told := chain_text(summary.chain):
        lines.append(told)
    return "\n".join(lines)


def chain_text(chain: Chain) -> str:
    """Where rows that are written one after the other are all that is left, or keep more from being read."""
    if not chain.is_all and not chain.reading_waits:
        return ""
    pace = chain.seconds_per_row
    takes = f", {pace:.2g} s each: about {duration(chain.seconds)}" if pace else ""
    rows = f"{chain.rows:,} rows share a value and are written one after the other{takes}"
    if chain.is_all:
        return f"nothing else is left: {rows} (--on-duplicate last writes the last row of a key alone)"
    return (
        f"no more is read for now, since the rows that wait for an earlier one fill the memory: {rows}; "
        "leave out a value that stands for none, or use --on-duplicate last"
    )


def ending_text(summary: Summary) -> str:
    """The last line: how it ended and what to do."""
    if summary.tolerance and summary.unsettled and summary.state == "complete":
        within = "no more" if summary.tolerated else "MORE"
        return f"complete; {summary.unsettled:,} rows failed, {within} than --tolerate {summary.tolerance}"
    if not summary.reason:
        return summary.state
    what_next = f"; {advice(summary.cause)}" if summary.cause else ""
    return printable(f"{summary.state}: {summary.reason}") + what_next
