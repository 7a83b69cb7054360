"""As if sequential, and books that are right: any file, any server, killed at any moment."""

import tempfile
from collections import Counter
from pathlib import Path

import account
import pytest
from cases import Case, cases
from hypothesis import HealthCheck, given, note, settings
from jobs import Job
from running import MortalCheckpoint, run_to_the_end, start

from uploader.core.summary import Summary
from uploader.edges.checkpoint import Checkpoint
from uploader.run import opening

SEEN: Counter[str] = Counter()


def check(case: Case, job: Job, summary: Summary) -> None:
    """The account and the books, against what applying the rows one by one makes."""
    outcomes = job.outcomes()
    assert sorted(outcomes) == list(range(2, len(case.rows) + 2)), "one outcome for each row"
    job.check_sums(summary, outcomes)
    assert (summary.tallies.rows, summary.tallies.open) == (len(case.rows), 0)
    fates = [outcomes[number] for number in range(2, len(case.rows) + 2)]
    expected = account.apply(case.rows, fates, case.seeded, case.id_property)
    note(f"fates: {fates}")
    check_refusals(case, fates)
    aliased = check_aliases(case, job, fates, expected)
    check_contacts(job, expected, aliased)
    check_created(case, job, fates, summary)


def check_refusals(case: Case, fates: list[str]) -> None:
    for row, fate in zip(case.rows, fates, strict=True):
        bad = row["email"].strip().endswith(".badtld")
        nonsense = row["email"].strip() == "nobody" or not row[case.id_property].strip()
        assert (fate == "invalid") is nonsense, (row, fate)
        if fate == "rejected":
            rival = case.id_property != "email" and account.has_rival(row, case.rows, case.seeded)
            assert bad or rival or case.may_refuse, (row, fate)
        elif bad:
            assert fate in {"abandoned", "pending"}, (row, fate)


def check_aliases(
    case: Case, job: Job, fates: list[str], expected: account.Expected
) -> list[account.Contact]:
    """The contacts that several keys of confirmed rows led to are listed, each with these rows; no others."""
    met = [contact for contact in expected.contacts if len(contact.keys) > 1]
    wanted = {}
    for contact in met:
        rows = [
            (number + 2, row["email"].strip())
            for number, (row, fate) in enumerate(zip(case.rows, fates, strict=True))
            if account.normal(row["email"]) in contact.addresses and fate in {"created", "updated"}
        ]
        if len({key.lower() for _, key in rows}) > 1:
            wanted[contact.addresses[0]] = rows
    checkpoint = Checkpoint.open(Path(f"{job.source}.checkpoint"), read_only=True)
    listed: dict[str, list[tuple[int, str]]] = {}
    for alias in checkpoint.aliases():
        listed.setdefault(alias.hubspot_id, []).append((alias.row, alias.key))
    checkpoint.close()
    assert sorted(listed.values()) == sorted(wanted.values())
    return met


def check_contacts(job: Job, expected: account.Expected, aliased: list[account.Contact]) -> None:
    held = list(job.hub.objects(1e9))
    by_address = {
        address: c for c in held for address in (c["properties"].get("email"), *c["additional_emails"])
    }
    by_id = {c["properties"].get("external_id", "").lower(): c for c in held}
    for contact in expected.contacts:
        if any(contact is other for other in (*aliased, *expected.unsure)):
            continue
        found = (
            by_id.get(contact.external_id) if contact.external_id else by_address.get(contact.addresses[0])
        )
        assert found is not None, f"missing: {contact}"
        properties = found["properties"]
        assert {name: properties.get(name) for name in contact.values} == contact.values, contact
        assert (properties.get("email") or "") == (contact.addresses or [""])[0]
    assert len(held) <= len(expected.contacts) or expected.unsure


def check_created(case: Case, job: Job, fates: list[str], summary: Summary) -> None:
    """`created` can be short by what was replayed, never beyond what is there."""
    new = sum(1 for _ in job.hub.objects(1e9)) - len(case.seeded)
    unsure = sum(fate in account.UNSURE for fate in fates)
    created, replayed = summary.as_dict()["created"], summary.as_dict()["replayed"]
    assert created <= new <= created + replayed + unsure


def run_case(case: Case) -> Summary:
    with tempfile.TemporaryDirectory(prefix="uploader-model-") as folder:
        job = start(case, Path(folder))
        summary = run_to_the_end(case, job)
        check(case, job, summary)
        SEEN.update(cases=1, rows=len(case.rows), requests=job.hub.stats()["requests"], stops=len(case.stops))
        SEEN.update(job_outcomes(job))
        SEEN.update(aliases=summary.tallies.aliases)
    return summary


def job_outcomes(job: Job) -> Counter[str]:
    return Counter(job.outcomes().values())


@pytest.fixture(autouse=True)
def _mortal(monkeypatch):
    monkeypatch.setattr(opening, "Checkpoint", MortalCheckpoint)


COMMON = {
    "deadline": None,
    "database": None,
    "print_blob": True,
    "suppress_health_check": list(HealthCheck),
}


def test_any_job_ends_as_if_its_rows_had_been_applied_one_by_one(model_cases):
    @settings(max_examples=model_cases, **COMMON)
    @given(cases())
    def model(case):
        run_case(case)

    model()
