"""The canary's review as text, and why nothing is written. Nothing is printed here."""

from collections.abc import Iterable, Iterator, Sequence

from uploader.canary.assessment import Occurrences, Review
from uploader.cli.text.next_command import by_hand, next_command
from uploader.hubspot.account import PRODUCTION, Account
from uploader.hubspot.missing_scopes import DETAILS
from uploader.hubspot.object_types import Noun
from uploader.model.canary import Canary
from uploader.model.counted import counted, numbered
from uploader.model.foreign_texts import printable

_MOST_LINES = 20


def kind_text(account: Account) -> str:
    if not account.kind:
        return f"of unknown kind (the token may not read it: scope {account.scope(DETAILS)})"
    return "a production account" if account.kind == PRODUCTION else f"of the kind {printable(account.kind)}"


def refusal_text(account: Account) -> str:
    """Why nothing is written to an account if nobody can be asked, and what to add."""
    if not account.portal:
        return (
            "nothing was written: this token may not read which account it belongs to, nor its kind; give "
            f"it the scope `{account.scope(DETAILS)}`, or add --yes to write to the account anyway"
        )
    return (
        f"nothing was written: account {account.portal} is {kind_text(account)}, and there is no terminal "
        f"to ask for confirmation; add --portal {account.portal} if it is the right one (or --yes)"
    )


def canary_text(canary: Canary, wait_seconds: float) -> str:
    rows = f"the first {canary.rows:,} rows" if canary.rows > 1 else "the first row"
    if canary.waits:
        sent = numbered(canary.rows, "was sent before: it is", "were sent before: they are")
        return f"{rows} {sent} read back again, and the others wait for your approval"
    sent = numbered(canary.rows, "is sent", "are sent")
    return f"{rows} {sent} alone and read back after {wait_seconds:g} s; the others wait for your approval"


def review_lines(review: Review, noun: Noun) -> list[str]:
    """The review as lines, the most important last."""
    counts = (
        ("as sent", review.as_sent),
        ("as sent, apart from HubSpot's own adjustments", review.adjusted),
        ("changed by others since", review.changed),
        ("not as sent, and their history does not show why", review.different),
        ("no longer found", review.missing),
        ("missing from HubSpot's answers", review.unread),
    )
    summary = ", ".join(f"{count:,} {what}" for what, count in counts if count or what == "as sent")
    read = counted(review.contacts, *noun)
    lines = [f"canary: {counted(review.rows, 'row')} sent, {read} read back: {summary}"]
    lines += _listed(
        f"  HubSpot adjusted {name}: {rule}{_occurrences_text(found, noun)}"
        for (name, rule), found in review.adjustments.items()
    )
    lines += _listed(
        f"  CHANGED: {name} by {source}{f' {label!r}' if label else ''}"
        f"{f' ({found.source_id})' if found.source_id else ''}{_occurrences_text(found, noun)}"
        for (name, source, label), found in review.changes.items()
    )
    lines += _listed(
        f"  DIFFERENT: {name} is not as it was sent{_occurrences_text(found, noun)}"
        for name, found in review.differences.items()
    )
    lines += [f"  MISSING: {noun.one} of row {row}" for row in review.missing_rows[:_MOST_LINES]]
    lines += _listed(
        f"  {outcome.value.upper()}: {reason}{_occurrences_text(found, Noun('row', 'rows'))}"
        for (outcome, reason), found in review.failed.items()
    )
    lines += [f"  look at it in HubSpot: {link}" for link in review.links]
    lines += _verdict(review, noun)
    return [printable(line) if not line.startswith("  ") else f"  {printable(line)}" for line in lines]


def _verdict(review: Review, noun: Noun) -> Iterator[str]:
    """What the review comes to: rows that were not written are another matter than records that differ."""
    others = review.changed + review.different + review.missing + review.unread
    if refused := sum(found.count for found in review.failed.values()):
        rows = counted(review.rows, "row")
        yield (
            f"NOT WRITTEN: {refused:,} of {rows} {numbered(refused, 'was', 'were')} not accepted, for the "
            "reasons above; correct the file first if many of the other rows are like these"
        )
    if others:
        yield (
            f"NOT AS SENT: {others:,} of {counted(review.contacts, *noun)} "
            f"{numbered(others, 'is not as it was', 'are not as they were')} sent; check before you approve"
        )
    elif review.contacts:
        yield (
            f"all {review.contacts:,} {noun.many} that were written are as they were sent"
            if review.contacts > 1
            else f"the {noun.one} that was written is as it was sent"
        )


def approving_line(typed: Sequence[str], sources: Sequence[str]) -> str:
    """The typed command with --approve-canary. With --restart, it would begin with another canary."""
    words = [word for word in typed if word not in {"--approve-canary", "--restart"}]
    return f"to continue{by_hand(sources)}: {next_command(words, 'upload', ['--approve-canary'])}"


def anew_text(typed: Sequence[str], sources: Sequence[str]) -> str:
    """The typed command with --restart, to be put behind the reason."""
    words = [word for word in typed if word not in {"--approve-canary", "--restart"}]
    return f"{by_hand(sources)}: {next_command(words, 'upload', ['--restart'])}"


def _listed(lines: Iterable[str]) -> list[str]:
    made = list(lines)
    rest = [f"  and {len(made) - _MOST_LINES:,} more of this kind"] if len(made) > _MOST_LINES else []
    return made[:_MOST_LINES] + rest


def _occurrences_text(found: Occurrences, noun: Noun) -> str:
    return f": {counted(found.count, *noun)}, such as row {found.row}"
