"""Columns that tell who has agreed to e-mail: a no suppresses. They passed where opt-outs stopped the run."""

import openpyxl
import orjson
import pytest

from support.intercepted_requests import upserts
from support.jobs import Job
from support.mock_transport import make_simulator
from uploader.check.mapping_draft import draft
from uploader.errors import SettingsError


def job(tmp_path, column, cells, **options):
    source = tmp_path / "contacts.csv"
    rows = "".join(f"u{at}@x.com,{cell}\n" for at, cell in enumerate(cells))
    source.write_text(f"email,{column}\n{rows}")
    run = Job(source, make_simulator(quota="190/10"), options)
    run.simulator.reset(0.0, [])
    return run


@pytest.mark.parametrize(
    "column", ["Accepts Email Marketing", "OPT_IN", "is_subscribed", "Email Consent", "Werbesperre"]
)
def test_nobody_is_written_before_the_user_has_decided_about_consent(tmp_path, column):
    run = job(tmp_path, column, ["no", "yes"])
    says = "opted out" if column == "Werbesperre" else "no: not to write to them"
    with pytest.raises(SettingsError, match=says):
        run.run_virtual()
    assert not upserts(run)


def test_a_no_or_a_blank_is_skipped_and_what_is_neither_is_not_sent(tmp_path):
    cells = ["yes", "no", "FALSE", "0", "", "pending", "1"]
    run = job(tmp_path, "Accepts Email Marketing", cells, suppress_where={"Accepts Email Marketing": ("no",)})
    counts = run.run_virtual().as_dict()
    assert (counts["created"], counts["skipped"], counts["invalid"]) == (2, 4, 1)
    assert run.held().keys() == {"u0@x.com", "u6@x.com"}


def test_the_option_without_a_value_does_not_skip_those_who_agreed(tmp_path):
    run = job(tmp_path, "OPT_IN", ["yes", "no"], suppress_where={"OPT_IN": ()})
    with pytest.raises(SettingsError, match="OPT_IN=no"):
        run.run_virtual()
    assert not upserts(run)


def test_do_not_call_is_a_column_like_any_other(tmp_path):
    run = job(tmp_path, "Do Not Call", ["yes"])
    with pytest.raises(SettingsError, match="no property with the name or label 'Do Not Call'"):
        run.run_virtual()


def test_a_draft_suppresses_by_a_no(tmp_path):
    text = draft(["email", "Accepts Email Marketing"], None, [["a@x.com", "no"]]).toml()
    assert '# "Accepts Email Marketing" = { suppress = ["no"] }' in text


def test_a_cell_that_can_not_be_read_is_no_no(tmp_path):
    book = openpyxl.Workbook()
    for row in (["email", "optin"], ["a@x.com", "yes"], ["b@x.com", "no"], ["c@x.com", "#N/A"]):
        book.active.append(row)
    book.save(tmp_path / "c.xlsx")
    run = Job(tmp_path / "c.xlsx", make_simulator(quota="190/10"), {"suppress_where": {"optin": ("no",)}})
    run.run_virtual()
    assert run.outcomes() == {2: "created", 3: "skipped", 4: "invalid"}


def test_a_field_that_a_row_lacks_is_no_consent(tmp_path):
    rows = [{"email": "a@x.com", "optin": "yes"}, {"email": "b@x.com"}]
    rows += [{"id": "c@x.com", "properties": {"optin": True}}, {"id": "d@x.com", "properties": {}}]
    (tmp_path / "c.ndjson").write_bytes(b"\n".join(map(orjson.dumps, rows)) + b"\n")
    run = Job(tmp_path / "c.ndjson", make_simulator(quota="190/10"), {"suppress_where": {"optin": ("no",)}})
    run.run_virtual()
    assert run.held().keys() == {"a@x.com", "c@x.com"}
