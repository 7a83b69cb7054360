"""Whose doing a difference is, by the history of the value."""

import pytest

from uploader.hubspot.replies import Result, Version
from uploader.verify.judge import Checked, Finding, Job, Verdict, with_history

JOB = Job(app="7", spans=[(0.0, 3_600.0)])
KEPT = Finding(
    Verdict.ADJUSTED, "stage", "lead", "customer", 2, 0, "a stage does not go back", is_in_question=True
)


def version(
    minute: int, source: str = "CRM_UI", source_id: str = "userId:1", value: str = "customer"
) -> Version:
    return Version(value, f"1970-01-01T{minute // 60:02}:{minute % 60:02}:00Z", source, source_id)


@pytest.mark.parametrize(
    ("versions", "verdict"),
    [
        (
            [version(30)],
            "hubspot",
        ),  # perhaps before the job wrote it: clocks differ, and a kept value has no version
        ([version(61)], "differs"),
        ([version(30), version(20, "INTEGRATION", "7", "lead")], "differs"),
        ([version(30), version(20, "INTEGRATION", "8", "lead")], "hubspot"),  # another app's
        ([version(30, "INTEGRATION", "7")], "hubspot"),
        ([version(61, "CALCULATED", "")], "hubspot"),
        ([version(61, value="evangelist")], "hubspot"),  # not the value that was read
        ([], "hubspot"),
    ],
)
def test_what_hubspots_rules_explain_is_a_difference_if_others_certainly_wrote_it_later(versions, verdict):
    checked = Checked(1, Verdict.ADJUSTED, "9", [KEPT])
    held = Result("9", {"stage": "customer"}, history={"stage": versions})
    found = with_history(checked, held, JOB)
    assert (found.verdict.value, found.findings[0].verdict.value) == (verdict, verdict)
