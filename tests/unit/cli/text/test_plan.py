"""How a plan reads on terminals of any width."""

import pytest

from uploader.cli.text.plan import follow_up_text, outlook_line, table_of
from uploader.jobs.summary import Summary
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import Tallies
from uploader.plans.ending import PlanEnd, StepEnd
from uploader.settings import Settings


def _step(name: str, *, most: int = 1_234_567) -> StepEnd:
    tallies = Tallies(rows=most * len(Outcome) + 5, requests=12_345)
    tallies.outcomes.update(dict.fromkeys(Outcome, most))
    return StepEnd(name, "contacts", f"{name}.checkpoint", "", Summary(tallies, "stopped", "Ctrl-C"))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("most", [7, 1_234_567])
def test_the_table_of_a_plan_fits_every_terminal_and_loses_no_outcome(width, most):
    steps = [_step("companies", most=most), _step("a_step_with_a_long_name", most=most)]
    steps.append(StepEnd("deals", "deals", "deals.checkpoint", "", None))
    lines = table_of(PlanEnd(steps), width)
    assert max(map(len, lines)) <= width
    text = " ".join(lines)
    for outcome in Outcome:
        assert outcome.value in text
    for name in ("companies", "a_step_with_a_long_name", "deals", "all steps"):
        assert sum(line.startswith(name) for line in lines) == 1
    assert text.count(f"{most:,}") >= 2 * len(Outcome)
    assert not any(line.strip() in {"started", "stopped", "not"} for line in lines)


def test_columns_stand_below_each_other_where_there_is_room():
    header, rule, *rows = table_of(PlanEnd([_step("contacts"), _step("deals")]), 200)
    assert header.split()[-2:] == ["requests", "state"]
    assert len(rows) == 3
    assert {row.index("stopped") for row in rows} == {header.index("state")}
    assert set(rule) == {"-", " "}


def test_the_rows_that_a_check_has_read_are_no_estimate():
    settings = Settings(sources=("a.csv",), token="x", offline=True)
    text = outlook_line("people", 20_123, settings, is_part=False)
    assert text.startswith("  people: 20,123 rows into contacts by email; ")
    assert "at least 20,123 rows" in outlook_line("people", 20_123, settings, is_part=True)


def test_a_plan_is_running_while_one_of_its_steps_is():
    at_work = Summary(Tallies(rows=5), "running")
    end = PlanEnd([_step("companies"), StepEnd("contacts", "contacts", "contacts.checkpoint", "", at_work)])
    assert table_of(end, 200)[-1].split()[-1] == end.as_dict()["state"] == "running"


def test_what_follows_the_rows_is_counted_in_words():
    links = {"read": 9, "linked": 7, "missing": 0, "others_created": 2}
    assert follow_up_text("links", links) == "links: 7 linked, 2 others created"
    members = {"name": "VIP", "id": "7", "made": True, "added": 3, "rows_without_id": 2}
    assert follow_up_text("list", members) == "list: 3 added, 2 rows without id"
