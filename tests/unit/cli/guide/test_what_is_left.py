"""What is said of values that nobody has decided about."""

from collections import Counter
from pathlib import Path

from uploader.check.bad_columns import BadColumn, BadValue
from uploader.check.report import Report
from uploader.cli.guide.questions import owner_questions, value_questions
from uploader.cli.guide.run import _Guide

BAD = BadColumn("Tier", "tier", 8, [BadValue("Platinum", 8, None)], 0, is_complete=True, options=())


def test_what_becomes_of_a_row_is_said_before_its_value_is_left():
    for questions in (value_questions, owner_questions):
        [refused], [dropped] = questions([BAD]), questions([BAD], are_dropped=True)
        assert refused.letters["s"].name == "decide later: until then, its rows are not uploaded"
        assert dropped.letters["s"].name == "decide later: until then, it is left out of its rows"
        assert "added in HubSpot" in refused.about[-1]


def test_the_guide_ends_with_what_is_left_to_decide(capsys, monkeypatch):
    monkeypatch.setattr(_Guide, "_unasked_lines", lambda *_: [])  # they need the project file's context
    guide = object.__new__(_Guide)
    guide._path = Path("a.toml")
    guide._postponed = frozenset()
    guide._postponed = frozenset()
    report = Report(bad_columns=[BAD], unknown_owners={"hubspot_owner_id": Counter({"Jon": 3})})
    report.findings.rows, report.findings.sendable, report.findings.invalid = 20, 9, 11
    guide._end(report)
    assert capsys.readouterr().out.splitlines()[:2] == [
        "a.toml is complete, but for 11 cells to decide later",
        "20 rows: 9 can be sent, 11 invalid",
    ]
