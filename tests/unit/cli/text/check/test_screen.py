"""One screen of findings: what has to be decided is never what is left out."""

import pytest

from uploader.check.report import Column, Report
from uploader.cli.text.check.screen import screen
from uploader.settings import Settings

WELL = [Column(0, f"Column {number}", f"p{number}", "string", remark="dates as text") for number in range(60)]


@pytest.mark.parametrize("undecided", [1, 3, 70])
def test_undecided_columns_are_shown_before_all_others(undecided):
    columns = [*WELL, *(Column(0, f"Open {number}", "", is_undecided=True) for number in range(undecided))]
    lines = screen(Report(columns=columns), Settings(sources=("a.csv",), token="t"), ["check", "a.csv"])
    shown = [line for line in lines if line.startswith("Open ")]
    (rest,) = [line for line in lines if line.startswith("and ")]
    hidden = undecided - len(shown)
    assert (hidden == 0) == (undecided < 70)
    assert "(--details lists all)" in rest
    assert (f", {hidden:,} of them undecided" in rest) == (hidden > 0)
    assert len(lines) <= 40
