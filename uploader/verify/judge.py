"""Compare a contact with what the job wrote: equal, adjusted by HubSpot's own rules, or different.

In    a `Wanted` contact: what its confirmed rows, applied in file order, ask for; the result read, or None.
Out   a `Checked`: one verdict, and a finding for each property that is not as it was sent.
Rules A value in another form is HubSpot's doing if its history shows that the job wrote it, and one that
      HubSpot's own rules explain, unless its history shows that others wrote it later. Text alone does not
      show that.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from uploader.hubspot.replies import Reply, Result, Version
from uploader.hubspot.schema import Kind
from uploader.model.records import EMAIL, OWN_ID, lock_key
from uploader.pipeline.read_matching import answers_for
from uploader.pipeline.value_authors import OWN_SOURCES, is_of_app, written_by
from uploader.records.values.compare import Match, compare, may_be_respelled


class Verdict(StrEnum):
    EQUAL = "equal"
    ADJUSTED = "hubspot"  #: differs from what was sent only by HubSpot's own rules
    DIFFERS = "differs"
    MISSING = "missing"
    UNCHECKED = "not checked"


class Doubt(StrEnum):
    """Why a contact is not checked: what it should hold is not known."""

    NONE = ""
    OPEN = "a row of it is still open, and may have been sent"
    UNSURE = "a row of it was abandoned or is pending"
    ALIAS = "several keys of the file led to it"
    SHARED = "rows of another id property share a value with it"
    CHANGED = "its row cannot be mapped any more: an option or an owner has changed since"
    NOW_SKIPPED = "a row of it is skipped by the present rules, such as --suppress-where, and was not then"
    UNANSWERED = "HubSpot's answer left it out"
    UNKNOWN = "a row of it was written with settings that are not recorded"
    UNUSABLE = "a row of it was written with former settings that cannot be applied any more"


#: Doubts whose contacts are listed, since their settings are missing.
SETTINGS_MISSING = (Doubt.UNKNOWN, Doubt.UNUSABLE)


@dataclass(frozen=True, slots=True)
class Cell:
    """A value that a row asks for."""

    text: str
    row: int
    source: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A contact as it is expected to be."""

    number: int  #: of the contact, from 1
    id_property: str
    key: str
    row: int  #: its last
    source: int
    cells: Mapping[str, Cell]  #: by property
    #: Other values that it may hold, by property, since former settings may have written them. An empty
    #: collection removes those of earlier rows
    others: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """A property that is not as it was sent."""

    verdict: Verdict
    property: str
    wanted: str
    found: str
    row: int
    source: int
    note: str = ""
    is_in_question: bool = False  #: whether it is HubSpot's doing; its history shows it


@dataclass(frozen=True, slots=True)
class Checked:
    """The result for one contact."""

    number: int
    verdict: Verdict
    hubspot_id: str = ""
    findings: Sequence[Finding] = ()


def judge(
    contacts: Sequence[Wanted], reply: Reply, kinds: Mapping[str, Kind]
) -> tuple[list[Checked], dict[int, str]]:
    """A result for each contact that the reply accounts for; for the others, by number, HubSpot's reason (""
    if it gives none). All contacts are matched by the same id property.
    """
    checked: list[Checked] = []
    unknown: dict[int, str] = {}
    by = contacts[0].id_property if contacts else ""
    found = answers_for(by, [contact.key for contact in contacts], reply.results, reply.errors)
    for contact, one in zip(contacts, found, strict=True):
        if not one.is_definite:
            unknown[contact.number] = one.why
        else:
            checked.append(_compared(contact, one.held, kinds) if one.held else _missing(contact))
    return checked, unknown


@dataclass(frozen=True, slots=True)
class Job:
    """The job, as far as histories show it."""

    app: str  #: the id of its app; "" if not known
    #: When it ran, and the jobs that corrected its rows, by HubSpot's clock, as far as the clocks agree
    spans: Sequence[tuple[float, float]]

    @property
    def began(self) -> float:
        return min(began for began, _ in self.spans)

    @property
    def ended(self) -> float:
        return max(ended for _, ended in self.spans)

    def wrote(self, version: Version) -> bool:
        at = version.at or 0.0
        return is_of_app(version, self.app) and any(began <= at <= ended for began, ended in self.spans)


def in_question(checked: Checked) -> list[str]:
    """The properties of a contact that may hold what was sent, in a form that only history explains."""
    return [one.property for one in checked.findings if one.is_in_question]


def with_history(checked: Checked, held: Result, job: Job) -> Checked:
    """The result for a contact, given the history of the properties in question."""
    asked = set(in_question(checked))
    findings = [_explained(one, held, job) if one.property in asked else one for one in checked.findings]
    return replace(checked, verdict=_worst(findings), findings=findings)


def _explained(finding: Finding, held: Result, job: Job) -> Finding:
    version = held.latest(finding.property)
    if version is None or version.value != finding.found:
        return finding
    if finding.verdict is Verdict.ADJUSTED:
        if version.source in OWN_SOURCES or not _is_later(version, held.history[finding.property], job):
            return finding
        return replace(finding, verdict=Verdict.DIFFERS, note=f"written since by {written_by(version)}")
    if job.wrote(version):
        return replace(finding, verdict=Verdict.ADJUSTED, note="HubSpot stores it in this form")
    is_later = (version.at or 0.0) >= job.began
    return replace(finding, note=f"written since by {written_by(version)}") if is_later else finding


def _is_later(version: Version, history: Sequence[Version], job: Job) -> bool:
    """Whether others certainly wrote a value after the job did: after its end, or after one of its writes."""
    if job.wrote(version):
        return False
    at = version.at or 0.0
    return at > job.ended or any(job.wrote(one) and (one.at or 0.0) < at for one in history)


def _worst(findings: Sequence[Finding]) -> Verdict:
    verdicts = {finding.verdict for finding in findings}
    return next((v for v in (Verdict.DIFFERS, Verdict.ADJUSTED) if v in verdicts), Verdict.EQUAL)


def _missing(contact: Wanted) -> Checked:
    finding = Finding(Verdict.MISSING, contact.id_property, contact.key, "", contact.row, contact.source)
    return Checked(contact.number, Verdict.MISSING, findings=[finding])


def _compared(contact: Wanted, result: Result, kinds: Mapping[str, Kind]) -> Checked:
    """Compare what a contact holds with what its rows asked for."""
    findings = [*_key_findings(contact, result)]
    for name, cell in contact.cells.items():
        text = result.properties.get(name)
        found = text if isinstance(text, str) else ""
        kind = kinds.get(name, Kind())
        comparison = compare(name, kind, cell.text, found)
        if comparison.match is Match.DIFFERS and any(
            compare(name, kind, text, found).match is not Match.DIFFERS
            for text in contact.others.get(name, ())
        ):
            continue
        if comparison.match is not Match.EQUAL:
            verdict, rule = Verdict.ADJUSTED, comparison.rule
            is_in_question = comparison.match is Match.EXPLAINED
            if not comparison.is_hubspots:
                verdict, is_in_question = Verdict.DIFFERS, may_be_respelled(name, kind, cell.text, found)
            findings.append(
                Finding(verdict, name, cell.text, found, cell.row, cell.source, rule, is_in_question)
            )
    return Checked(contact.number, _worst(findings), result.id, findings)


def _key_findings(contact: Wanted, result: Result) -> list[Finding]:
    """Findings for a key that differs from the contact's value: in case, as a secondary address, or as the
    id of a record that was merged.
    """
    text = result.properties.get(contact.id_property)
    if not isinstance(text, str) or text == contact.key:
        return []
    same = lock_key("", text) == lock_key("", contact.key)
    if contact.id_property == EMAIL and text == contact.key.lower():
        return []  # as HubSpot keeps every address
    note = "in other case" if same else "the contact's primary address is another"
    if contact.id_property == OWN_ID:
        note = "the record was merged into another one"
    return [
        Finding(Verdict.ADJUSTED, contact.id_property, contact.key, text, contact.row, contact.source, note)
    ]
