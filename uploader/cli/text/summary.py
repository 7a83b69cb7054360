"""The summary of a run as text. Nothing is printed here."""

from uploader.cli.text.numbers import duration
from uploader.hubspot.requests import MAX_INPUTS
from uploader.jobs.summary import IMPORT_IT, Summary, advice
from uploader.model.chain_of_rows import Chain
from uploader.model.counted import counted, numbered
from uploader.model.follow_ups import LINKS
from uploader.model.foreign_texts import printable
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import ONLY, Tallies
from uploader.records.duplicates import DUPLICATE
from uploader.records.mapper import SUPERSEDED_BY
from uploader.records.not_a_row import NOT_A_ROW
from uploader.records.suppressed_rows import SUPPRESSED

#: Why rows were skipped, by the rule.
SKIP_RULES = {
    NOT_A_ROW: "no rows: footers, totals, repeated headers (the results file has their texts)",
    SUPPRESSED: "suppressed (--suppress, --suppress-where, --opt-outs)",
    DUPLICATE: "another row has the same key (--on-duplicate first, last)",
    SUPERSEDED_BY: "superseded by a later row with the same key (--include-superseded sends them)",
    ONLY: "the record exists, or does not (--only-new, --only-existing)",
}


#: The state that HubSpot names in its answer to a usual batch.
_DONE = "COMPLETE"
#: What became of open rows, by whether one may have been sent.
_OPEN = {
    None: "",
    False: "  (read ahead; none of these was sent)",
    True: "  (read ahead; a few may have been sent, and get their outcomes when the job continues)",
}


def summary_text(summary: Summary) -> str:
    """The outcomes of a job, one a line, with their sum."""
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
            lines += [f"{'':>26}  {n:,}: {SKIP_RULES.get(rule, rule)}" for rule, n in tallies.skips.items()]
    note = _OPEN[summary.may_be_sent] if tallies.open and summary.state == "stopped" else ""
    lines.append(f"{'still open':>12}  {tallies.open:>12,}{note}")
    sign = "=" if tallies.settled + tallies.open == tallies.rows else "IS NOT"
    lines.append(f"{'':>12}  {tallies.settled + tallies.open:>12,}  {sign} rows read")
    lines.append(
        f"requests {tallies.requests:,}, throttled {tallies.throttled:,}, retries {tallies.retries:,}, "
        f"errors in replies {tallies.num_errors:,}; {_batches_text(tallies)}; "
        f"{duration(summary.elapsed_seconds)}"
    )
    if tallies.values_dropped:
        lines.append(f"values left out because HubSpot would refuse them: {tallies.values_dropped:,}")
    for name, one in summary.follow_ups.items():
        has_counts = any(isinstance(count, int) and count for count in one.as_dict().values())
        is_begun = summary.state == "complete" or has_counts
        lines.append(one.line if is_begun else f"{name}: not begun, since rows are still open")
    if tallies.pauses:
        pauses = ", ".join(f"{count:,} x {cause}" for cause, count in sorted(tallies.pauses.items()))
        lines.append(f"pauses: {pauses}")
    if tallies.held_back * 10 > tallies.rows and tallies.records_per_upsert < MAX_INPUTS / 2:
        lines.append(
            f"slow, because rows of the same contact are written one after the other: {tallies.held_back:,} "
            f"rows waited for an earlier one, and a request carried {tallies.records_per_upsert:.1f} rows "
            f"of at most {MAX_INPUTS}"
        )
    if chain := chain_text(summary.chain):
        lines.append(chain)
    return "\n".join(lines)


def _batches_text(tallies: Tallies) -> str:
    """The batches that were answered, with the states that HubSpot named but for the usual one."""
    odd = [
        f"{count:,} {printable(state, 40)}"
        for state, count in sorted(tallies.batches.items())
        if state != _DONE
    ]
    return f"batches {sum(tallies.batches.values()):,}" + (f", of them {', '.join(odd)}" if odd else "")


_ONE_UNLISTED = "record that says so has no address in its row, and is"
_UNLISTED = "records that say so have no address in their rows, and are"


def opt_out_lines(tallies: Tallies, path: object) -> list[str]:
    """What to do about the rows that say "opted out", if they are listed. `path`: of the list."""
    lines = []
    if tallies.opt_outs:
        lines.append(f"opt-outs: {counted(tallies.opt_outs, 'address', 'addresses')} in {path}: {IMPORT_IT}")
    if count := tallies.opt_outs_unlisted:
        lines.append(
            f"opt-outs: {counted(count, _ONE_UNLISTED, _UNLISTED)} not in the list: if HubSpot has "
            f"{numbered(count, 'its address, unsubscribe it', 'their addresses, unsubscribe them')} there"
        )
    return lines


def missing_links_lines(summary: Summary, command: str) -> list[str]:
    """How links that lack a record are made later, if there are any. `command`: what to run again."""
    links = summary.follow_ups.get(LINKS)
    if summary.state != "complete" or links is None or not links.as_dict()["missing"]:
        return []
    text = (
        "the note of each missing link says why it has no record to lead to. Once the records are in "
        f"HubSpot, {command} with --skip-unchanged, another --checkpoint and another --results makes these "
        "links: it writes only rows that HubSpot does not have as they are, and undo keeps what it knows of "
        "this job"
    )
    return [text]


def chain_text(chain: Chain) -> str:
    """A line if a chain of rows is all that is left, or keeps more rows from being read; else ""."""
    if chain.rows < 2 or not (chain.is_all or chain.reading_waits):
        return ""
    pace = chain.seconds_per_row
    takes = f", {pace:.2g} s each: about {duration(chain.seconds)}" if pace else ""
    rows = f"{chain.rows:,} rows share a value and are written one after the other{takes}"
    if chain.is_all:
        return f"only these are left: {rows} (--on-duplicate last writes only the last row of a key)"
    return (
        f"reading has paused, because the rows that wait for an earlier one fill the memory: {rows}; remove "
        "placeholder values from the file, or use --on-duplicate last"
    )


def ending_text(summary: Summary, *, is_undone: bool = False) -> str:
    """The last line: how the run ended, and what to do. `is_undone`: what the job wrote was taken back."""
    if summary.state == "complete":
        parts = [
            "complete, and undone since: these are the counts of the upload" if is_undone else "complete"
        ]
        return "; ".join([*parts, *_unsettled_texts(summary)])
    if not summary.reason:
        return summary.state
    what_next = f"; {advice(summary.cause)}" if summary.cause else ""
    return printable(f"{summary.state}: {summary.reason}") + what_next


def _unsettled_texts(summary: Summary) -> list[str]:
    """How many rows of a complete job failed, or are pending."""
    tallies, tolerance = summary.tallies, summary.tolerance
    if tolerance and summary.unsettled:
        within = "no more" if summary.tolerated else "MORE"
        return [f"{counted(summary.unsettled, 'row')} failed, {within} than --tolerate {tolerance}"]
    failed, pending = tallies.failed, tallies.outcomes[Outcome.PENDING]
    texts = [f"{counted(failed, 'row')} failed"] if failed else []
    return [*texts, *([f"{pending:,} pending"] if pending else [])]
