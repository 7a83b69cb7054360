"""The passes over all rows that a job needs before the first one is sent: orders of dates, repeated keys."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from uploader.errors import SettingsError, SourceError
from uploader.hubspot.account import Account
from uploader.jobs.column_rules import resolve_as_far, resolve_mappers
from uploader.jobs.early_ending import Ending
from uploader.jobs.opening import Job, check_checkpoint_place, find_new_files
from uploader.jobs.resume_checks import with_present_names
from uploader.jobs.scans.duplicates import find_duplicates, open_duplicates, rule_of, survey_of
from uploader.jobs.scans.first_keys import FirstKeys
from uploader.jobs.scans.formats import Orders
from uploader.jobs.scans.row_findings import Findings
from uploader.jobs.scans.survey import Step, last
from uploader.jobs.summary import IMPORT_IT
from uploader.records.associations.link_columns import association_words
from uploader.records.columns import LIST, MappingError, numbered
from uploader.records.duplicates import OnDuplicate
from uploader.settings import Settings
from uploader.settings.columns import ColumnSettings
from uploader.sources.source import Source
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.duplicates_file import Duplicates
from uploader.system.blocking_calls import Offload
from uploader.system.private_files import warnings_of


class Passes:
    """Runs passes over all rows, one after the other. StopRun if the run is ended meanwhile."""

    def __init__(self, ending: Ending) -> None:
        self.step: Step | None = None  #: progress of the current pass
        self.findings: Findings | None = None  #: of a pass that looked at whole rows
        self._ending = ending

    async def read(self, steps: Iterator[Step], reader: Offload) -> None:
        """Run one pass in the reader's thread."""
        await self._ending.unless_ended(self._read(steps, reader))

    async def _read(self, steps: Iterator[Step], reader: Offload) -> None:
        while (step := await reader.run(lambda: last(steps))) is not None:
            self.step = step
        self.step = None


def notices_of(settings: Settings, sources: Sequence[Source]) -> list[str]:
    """Notices for the user before rows are processed. CheckpointError if no checkpoint can be kept."""
    notices = [notice for source in sources for notice in source.notices]
    notices += warnings_of(settings.checkpoint_path)
    if settings.suppression is not None:
        notices.append(f"suppressed: {len(settings.suppression):,} addresses (--suppress)")
    if settings.opt_outs == LIST:
        notices.append(f"opt-outs: rows that say so are written, and their addresses are listed; {IMPORT_IT}")
    notices += link_notices(settings)
    if new := find_new_files(settings, sources):
        listed = ", ".join(new[:5]) + (f" and {len(new) - 5} more" if len(new) > 5 else "")
        notices.append(f"not part of this job, because they appeared after its start: {listed}")
    place = check_checkpoint_place(settings)
    return notices if place is None else [*notices, place]


def link_notices(settings: ColumnSettings) -> Iterator[str]:
    """What the rows are linked with, and what is created for that, a line each."""
    if not settings.associations:
        return
    from uploader.associations.automatic_companies import automatic_companies_text  # noqa: PLC0415  # few jobs have links

    for one in settings.associations:
        yield f"links of column {one.column!r} to {association_words(one)}"
    if settings.create_missing:
        names = " and ".join(sorted(settings.create_missing))
        yield f"links: {names} that HubSpot does not have are created, by their keys alone (--create-missing)"
    if settings.create_labels:
        yield "links: labels that the account does not have are created (--create-labels)"
    if text := automatic_companies_text(settings.object_type, settings.associations):
        yield text


def remarks_notice(findings: Findings | None) -> str:
    """A notice about texts that are sent and look wrong; "" if there are none. None: not looked for."""
    if findings is None:
        return ""
    counts = Counter[str]()
    for (category, column), group in findings.remarks.items():
        counts[f"{category} in {column}"] += group.count
    if not counts:
        return ""
    most = ", ".join(f"{what} ({count:,})" for what, count in counts.most_common(_MOST_REMARKS))
    others = ", and others" if len(counts) > _MOST_REMARKS else ""
    return f"{counts.total():,} texts look wrong, and are sent: {most}{others}; `check` shows their rows"


#: Kinds of remarks by column that a notice names.
_MOST_REMARKS = 5


async def decide_orders(
    settings: Settings,
    sources: list[Source],
    checkpoint: Checkpoint | None,
    account: Account,
    *,
    passes: Passes,
    reader: Offload,
) -> Settings:
    """The settings, with the orders of dates and decimal marks that no option gives: recorded ones of a
    resumed job, else inferred from the rows.
    """
    before = with_present_names(checkpoint.identity().settings) if checkpoint else {}
    known = {
        "date_orders": {**before.get("date_orders", {}), **settings.date_orders},
        "decimals": {**before.get("decimals", {}), **settings.decimals},
    }
    settings = replace(settings, date_orders=known["date_orders"], decimals=known["decimals"])
    mappers, problems = resolve_as_far(settings, sources, account)
    orders = Orders(sources, mappers, asks_zones=checkpoint is None)
    problems += orders.asked_at_once().values()
    rules = settings.rules
    if orders.are_needed:
        await passes.read(orders.steps(), reader)
        if orders.broken:  # another pass may get further, and a part of the rows is not enough
            raise SourceError(orders.broken)
        try:
            rules = orders.decided(rules)
        except MappingError as error:
            problems += error.texts
    if problems:
        raise SettingsError(numbered(problems))
    orders_by_column = {column: str(order) for column, order in rules.date_orders.items()}
    return replace(settings, date_orders=orders_by_column, decimals=dict(rules.decimals))


async def look_at_first_keys(
    settings: Settings,
    sources: list[Source],
    account: Account,
    rows_estimated: int | None,
    *,
    passes: Passes,
    reader: Offload,
) -> float:
    """Return which share of the rows is expected to have one key, and is written one row after the other.

    SettingsError if a key stands for very many of the first rows, and no setting decides on that.
    """
    if settings.duplicate_rule is not OnDuplicate.IN_ORDER:
        return 0.0
    is_decided = settings.on_duplicate is not None
    if is_decided and any(source.size_bytes is None for source in sources):
        return 0.0  # a forecast is not worth a query of its own
    first = FirstKeys(sources, resolve_mappers(settings, sources, account))
    await passes.read(first.steps(), reader)
    if not is_decided and (question := first.question(rows_estimated)):
        raise SettingsError(question)
    return first.share_to_come


async def find_repeated_keys(
    job: Job, stack: ExitStack, *, passes: Passes, reader: Offload
) -> Duplicates | None:
    """The rows with repeated keys, found once and kept for the job; None if rows are written in order."""
    path, rule = job.checkpoint.path, rule_of(job.identity)
    if rule is OnDuplicate.IN_ORDER:
        return None
    found = open_duplicates(path, job.identity, job.sources)
    if found is None:
        if any(source.size_bytes is None for source in job.sources):
            raise SettingsError(f"--on-duplicate {rule} reads the sources twice, so they must be files")
        survey = survey_of(path, job.identity, job.sources, job.mappers)
        await passes.read(find_duplicates(survey, path, job.identity), reader)
        passes.findings = survey.findings
        found = open_duplicates(path, job.identity, job.sources)
    if found is not None:
        stack.callback(found.repeats.close)
    return found
