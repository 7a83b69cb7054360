"""What `check` says of all that it found."""

from collections import Counter
from dataclasses import replace

import pytest

from uploader.check.report import Report
from uploader.cli.options.project import PROJECT_OPTION
from uploader.cli.text.check.details import lines, other_key_lines
from uploader.cli.text.check.screen import screen
from uploader.settings import Settings

SETTINGS = Settings(sources=("a.csv",), token="t")


@pytest.mark.parametrize("show", [lines, screen])
def test_rows_without_a_key_that_could_have_another_are_counted_with_what_to_write(show):
    report = Report()
    assert other_key_lines(report, SETTINGS) == []
    report.findings.keyless, report.findings.other_keys = 435, Counter({"external_id": 433})
    text = "KEYS: 435 rows have no email; of these, 433 have external_id: to send these, too, "
    assert f"{text}add --match email,external_id" in show(report, SETTINGS, ["check", "a.csv"])
    by_file = replace(SETTINGS, repeated_options={PROJECT_OPTION: ("/x/a.toml",)})
    line = f'{text}write match = ["email", "external_id"] in a.toml'
    assert line in show(report, by_file, ["check", "-f", "a.toml"])
