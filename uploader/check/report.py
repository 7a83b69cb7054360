"""The values that a check finds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from uploader.check.bad_columns import BadColumn
from uploader.check.blank_candidates import Candidate
from uploader.check.mapping_draft import Draft, Drafted
from uploader.hubspot.account import Account
from uploader.hubspot.lists import RecordList
from uploader.hubspot.owner_lookup import Owner
from uploader.hubspot.schema import Schema
from uploader.jobs.preflight import TokenAndLimits
from uploader.jobs.scans.link_values import LinkCounts
from uploader.jobs.scans.row_findings import Findings
from uploader.jobs.summary import EarlyEnd
from uploader.pipeline.rate.forecast import Forecast
from uploader.pipeline.rate.limiter import Quota
from uploader.records.headers.recognition import Recognized
from uploader.records.repeated_keys import KeyCount
from uploader.sources.source import Source

#: Repeated keys that are named.
_MOST_KEYS = 20


@dataclass(frozen=True, slots=True)
class Column:
    """What a column means, as far as that is known."""

    source: int
    column: str
    property: str
    type: str = ""
    is_left_out: bool = False  #: by an option, or one of uploader's own columns
    is_undecided: bool = False  #: there is a problem about it
    remark: str = ""  #: about its values
    proposal: Drafted | None = None  #: for a column that is undecided


@dataclass(frozen=True, slots=True)
class KnownQuota:
    """The quota of the account, as far as its replies named it."""

    burst: Quota
    day_limit: int | None
    day_left: int | None


@dataclass(frozen=True, slots=True)
class Workload:
    """What the upload will send, and how long that takes."""

    batches: int
    longest_chain: int  #: number of rows of one key, which are written one after the other
    forecast: Forecast
    halved: Mapping[float, Forecast]  #: without multi-status, by the share of rows that is refused


class ListFinding(NamedTuple):
    """The list that the records are to be put into."""

    name: str
    found: RecordList | None  #: None if it is to be made


@dataclass(slots=True)
class Report:
    """The result of a check."""

    project: str = ""  #: name of the project file, "" if none is used
    sources: list[Source] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    blank_candidates: list[Candidate] = field(default_factory=list)  #: those of most cells first
    doubtful_keys: list[KeyCount] = field(default_factory=list)  #: those that stand for very many rows
    open_readings: dict[str, str] = field(default_factory=dict)  #: by column, how to read it, as a problem
    #: By property: owners that the account does not have, or has several of.
    unknown_owners: dict[str, Counter[str]] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    origins: list[Recognized] = field(default_factory=list)  #: of each source
    problems: list[str] = field(default_factory=list)  #: for each of these `upload` would not start
    briefs: dict[str, str] = field(default_factory=dict)  #: problem -> the same in few words, if it is long
    account_problems: Sequence[str] = ()  #: those that are no problems of the sources
    warnings: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    links: Sequence[LinkCounts] = ()  #: of each link column, and what the account has of them
    automatic_companies: str = ""  #: what HubSpot may link by itself; "": nothing that matters
    unseen: Sequence[str] = ()  #: effects of writing contacts that no request shows
    account: Account | None = None
    closer: TokenAndLimits | None = None
    token_kind: str = ""
    quota: KnownQuota | None = None  #: None if the account was not asked
    workload: Workload | None = None  #: None if no row can be sent
    sample: int | None = None
    requests: int = 0
    elapsed_seconds: float = 0.0
    end: EarlyEnd | None = None
    bad_columns: list[BadColumn] = field(default_factory=list)  #: values that options do not take
    draft: Draft | None = None  #: of a mapping file, if one was asked for
    drafted: str = ""  #: path of the file that it was written to
    properties_draft: str = ""  #: text of a file of definitions, if one was asked for and a column lacks one
    defined: str = ""  #: path of the file that it was written to
    record_list: ListFinding | None = None  #: of --add-to-list, if the account could be asked
    is_undone: bool = False  #: the job was uploaded and undone, and has to begin anew
    would_stop: str = ""  #: why `upload` would stop before its end
    is_step: bool = False  #: of a plan, which does not begin if a step would stop

    @property
    def ambiguous_owners(self) -> dict[str, dict[str, tuple[Owner, ...]]]:
        """Of the unknown owners, by property, the names that several owners have, with these."""
        owners = self.schema.owners if self.schema else None
        found = {
            name: {who: several for who in counts if (several := owners.namesakes(who))} if owners else {}
            for name, counts in self.unknown_owners.items()
        }
        return {name: names for name, names in found.items() if names}

    @property
    def missing_owners(self) -> dict[str, Counter[str]]:
        """By property, the unknown owners that the account does not have: those that are not ambiguous."""
        ambiguous = self.ambiguous_owners
        found = {
            name: Counter({who: n for who, n in counts.items() if who not in ambiguous.get(name, {})})
            for name, counts in self.unknown_owners.items()
        }
        return {name: counts for name, counts in found.items() if counts}

    @property
    def schema(self) -> Schema | None:
        """The account's properties, None if they are not known."""
        return self.account.schema if self.account else None

    @property
    def names(self) -> Mapping[str, str]:
        """The property of each column, "" if it has none."""
        return {one.column: one.property for one in self.columns}

    def most_repeated_keys(self) -> list[tuple[KeyCount, bool]]:
        """The keys that most rows have, and whether each is doubtful."""
        most = self.findings.keys.most_repeated()
        rare = [key for key in self.doubtful_keys if key not in most][: max(0, _MOST_KEYS - len(most))]
        return [(key, key in self.doubtful_keys) for key in [*most, *rare]]

    def wider_match(self, match: Sequence[str]) -> list[str]:
        """The match keys, with the unique properties that rows without a key have a value of."""
        return [*match, *(name for name, _ in self.findings.other_keys.most_common())]

    @property
    def exit_code(self) -> int:
        if self.end is not None:
            return self.end.exit_code(has_begun=False)
        if self.problems or (self.is_step and self.would_stop):
            return 2
        found = self.findings
        doubtful = (
            found.invalid
            or found.values_dropped
            or found.repeated_rows
            or found.shared_rows
            or any(one.missing or one.faults for one in self.links)
            or self.warnings
            or self.would_stop
        )
        return int(bool(doubtful))
