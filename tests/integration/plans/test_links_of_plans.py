"""Links of a plan: made after the rows of all steps, so that they may lead to records of later steps."""

import json

import pytest

from support.mock_transport import make_simulator
from support.plans.runs import NAMES, Plan, Watched
from uploader.model.associations import LinkColumn

#: Contacts to companies, a step before; companies to deals, a step after.
TO_COMPANY = LinkColumn("Company", "companies", "external_id")
TO_DEAL = LinkColumn("Deal", "deals", "external_id")


@pytest.fixture
def plan(tmp_path) -> Plan:
    found = Plan(tmp_path, make_simulator(quota="100/10", latency_seconds=0.1), rows=30)
    found.options = {
        "companies": {"associations": (TO_DEAL,)},
        "contacts": {"associations": (TO_COMPANY,)},
    }
    found.write()
    for name, column, other in (("companies", "Deal", "deals"), ("contacts", "Company", "companies")):
        lines = found.source(name).read_text().splitlines()
        more = [column, *(f"{other}{i}" for i in range(30))]
        text = "".join(f"{line},{value}\n" for line, value in zip(lines, more, strict=True))
        found.source(name).write_text(text)
    return found


def linked(plan: Plan) -> set[tuple[str, str]]:
    """The links of the account, by the keys of both records, in the order of their names."""
    keys = {
        one["id"]: one["properties"]["external_id"]
        for name in NAMES
        for one in plan.simulator.objects(plan.clock, name)
    }
    found = [(keys[one["from"]["id"]], keys[one["to"]["id"]]) for one in plan.simulator.links(plan.clock)]
    return {tuple(sorted(pair)) for pair in found}


WANTED = {
    tuple(sorted(pair))
    for i in range(30)
    for pair in ((f"companies{i}", f"deals{i}"), (f"contacts{i}", f"companies{i}"))
}


def links_of(end, name: str) -> dict[str, int]:
    (step,) = [one for one in end.as_dict()["steps"] if one["name"] == name]
    return step["links"]


def test_links_lead_to_records_of_earlier_and_later_steps(plan):
    end = plan.run()
    assert (end.exit_code, end.state) == (0, "complete")
    assert linked(plan) == WANTED
    assert links_of(end, "companies")["linked"] == links_of(end, "contacts")["linked"] == 30
    assert plan.watched.ran_steps == [0, 1, 2, 0, 1]
    requests = plan.simulator.stats()["requests"]
    again = plan.run()
    assert (again.exit_code, again.totals()) == (0, end.totals())
    assert plan.simulator.stats()["requests"] == requests


def test_no_link_is_made_while_rows_of_a_step_are_open(plan):
    end = plan.run(Watched(stop_at=2))
    assert end.exit_code == 130
    assert [one.state for one in end.steps] == ["stopped"] * 3
    assert [one.name for one in end.waiting] == ["companies", "contacts"]
    assert linked(plan) == set()
    states = [one["state"] for one in json.loads(plan.record.read_text())["steps"]]
    assert states == ["rows complete", "rows complete", "not started"]
    assert plan.run().exit_code == 0
    assert linked(plan) == WANTED
    assert plan.watched.checked_steps == []


def test_at_the_limit_the_rows_before_it_are_linked(plan):
    end = plan.run(limit=10)
    assert end.exit_code == 75
    assert len(linked(plan)) == 20
    assert plan.run().exit_code == 0
    assert linked(plan) == WANTED


def test_a_link_that_cannot_be_made_fails_no_row_and_shows_in_the_exit_code(plan):
    text = plan.source("contacts").read_text().replace(",companies7\n", ",nobody\n")
    plan.source("contacts").write_text(text)
    end = plan.run()
    assert (end.exit_code, end.totals()["created"]) == (1, 90)
    assert (links_of(end, "contacts")["linked"], links_of(end, "contacts")["missing"]) == (29, 1)
    assert plan.run().exit_code == 1


def found(plan: Plan) -> dict[str, tuple[int, int]]:
    """Of each step with links: how many lead to a file of the plan, and how many to nothing."""
    return {one.step: (one.in_files, one.missing) for one in plan.watched.links}


def test_at_the_limit_links_to_rows_beyond_it_are_not_said_to_lead_to_nothing(plan):
    text = plan.source("contacts").read_text().replace(",companies7\n", ",companies25\n")
    plan.source("contacts").write_text(text)
    plan.run(limit=10)
    assert found(plan) == {}


def test_the_check_tells_links_to_other_files_from_links_to_nothing(plan):
    text = plan.source("contacts").read_text().replace(",companies7\n", ",Nobody\n")
    text = text.replace(",companies8\n", ",nobody\n").replace(",companies9\n", ",COMPANIES9\n")
    plan.source("contacts").write_text(text)
    plan.run()
    assert found(plan) == {"companies": (30, 0), "contacts": (28, 2)}
    (one,) = [one for one in plan.watched.links if one.step == "contacts"]
    assert [(each.value.lower(), each.links) for each in one.most_missing] == [("nobody", 2)]
    assert one.missing_values == 1


def test_links_by_a_name_that_two_records_of_a_file_have_are_counted_apart(plan):
    """A record that a file has twice has its name once."""
    companies = plan.source("companies")
    lines = [line.rpartition(",")[0] for line in companies.read_text().splitlines()]
    text = "\n".join([*lines, lines[4]]).replace(",N8", ",n7")
    companies.write_text(f"{text}\n")
    contacts = plan.source("contacts")
    contacts.write_text(contacts.read_text().replace(",companies", ",N"))
    plan.options = {
        "contacts": {"associations": (LinkColumn("Company", "companies", "name", unique_names=True),)}
    }
    plan.run()
    (one,) = plan.watched.links
    assert (one.in_files, one.shared, one.missing) == (28, 1, 1)
    assert [(each.value, each.links) for each in one.most_shared] == [("N7", 1)]
    assert [(each.value, each.links) for each in one.most_missing] == [("N8", 1)]


def test_links_to_records_of_the_account_lead_somewhere(plan):
    """Records of an earlier step are not looked up, so they count as those of its file."""
    plan.run()
    for name in NAMES:
        for path in plan.folder.glob(f"{name}.csv.*"):
            path.unlink()
    plan.record.unlink()
    plan.run()
    assert found(plan) == {"companies": (0, 0), "contacts": (30, 0)}


def test_links_are_not_compared_if_a_step_was_checked_before(plan):
    plan.run(Watched(stop_at=0))
    plan.source("contacts").write_text(
        plan.source("contacts").read_text() + "more,m@example.com,companies1\n"
    )
    plan.run()
    assert (plan.watched.checked_steps, plan.watched.links) == ([1], [])


def test_the_account_is_asked_little_beside_rows_and_links(plan):
    """What one step has read of the account holds for the others, and for the links."""
    plan.run()
    work = ("batch/upsert", "batch/read", "batch/create", "associate/default")
    others = [one.path for one in plan.simulator.statistics.log if not one.path.endswith(work)]
    assert len(others) <= 13, others
