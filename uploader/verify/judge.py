"""Compare a contact with what the job wrote: equal, adjusted by HubSpot's own rules, or different.

In    a `Wanted` contact: what its confirmed rows, applied in file order, ask for; the result read, or None.
Out   a `Checked`: one verdict, and a finding for each property that is not as it was sent.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from uploader.hubspot.replies import Reply, Result
from uploader.hubspot.schema import Kind
from uploader.model.records import EMAIL, lock_key
from uploader.pipeline.read_matching import answers_for
from uploader.records.values.compare import Match, compare


class Verdict(StrEnum):
    EQUAL = "equal"
    ADJUSTED = "hubspot"  #: differs from what was sent only by HubSpot's own rules
    DIFFERS = "differs"
    MISSING = "missing"
    UNCHECKED = "not checked"


class Doubt(StrEnum):
    """Why a contact is not checked: what it should hold is not known."""

    NONE = ""
    OPEN = "a row of it is still open"
    UNSURE = "a row of it was abandoned or is pending"
    ALIAS = "several keys of the file led to it"
    SHARED = "rows of another id property share a value with it"
    CHANGED = "its row cannot be mapped any more: an option or an owner has changed since"
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


def _missing(contact: Wanted) -> Checked:
    finding = Finding(Verdict.MISSING, contact.id_property, contact.key, "", contact.row, contact.source)
    return Checked(contact.number, Verdict.MISSING, findings=[finding])


def _compared(contact: Wanted, result: Result, kinds: Mapping[str, Kind]) -> Checked:
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
            verdict = Verdict.ADJUSTED if comparison.is_hubspots else Verdict.DIFFERS
            findings.append(Finding(verdict, name, cell.text, found, cell.row, cell.source, comparison.rule))
    verdicts = {finding.verdict for finding in findings}
    worst = next((v for v in (Verdict.DIFFERS, Verdict.ADJUSTED) if v in verdicts), Verdict.EQUAL)
    return Checked(contact.number, worst, result.id, findings)


def _key_findings(contact: Wanted, result: Result) -> list[Finding]:
    """Findings for a key that differs from the contact's value: in case, or as a secondary address."""
    text = result.properties.get(contact.id_property)
    if not isinstance(text, str) or text == contact.key:
        return []
    same = lock_key("", text) == lock_key("", contact.key)
    if contact.id_property == EMAIL and text == contact.key.lower():
        return []  # as HubSpot keeps every address
    note = "in other case" if same else "the contact's primary address is another"
    return [
        Finding(Verdict.ADJUSTED, contact.id_property, contact.key, text, contact.row, contact.source, note)
    ]
