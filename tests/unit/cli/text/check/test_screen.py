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


def test_with_a_project_file_the_guide_is_named_where_columns_are_undecided():
    def last(*columns):
        report = Report(project="a.toml", columns=list(columns), problems=["something"])
        return screen(report, Settings(sources=("a.csv",), token="t"), ["check", "-f", "a.toml"])[-1]

    asks = "(init with --guide asks about the columns of a.toml)"
    assert last(Column(0, "Open", "", is_undecided=True)) == (
        f"next: correct this {asks}, then uploader check -f a.toml"
    )
    assert "guide" not in last(WELL[0])
