"""Scenario files: what is read, and the one clear line for what is not."""

import pytest

from uploader.mockserver.faults.scenario import Scenario, Status
from uploader.mockserver.faults.toml_tables import ScenarioError
from uploader.mockserver.settings import MockSettings

WHOLE = """
[rules]
echo_trace_ids = true
[account]
time_zone = "Europe/Berlin"
day_seconds = 60
[auth]
tokens = ["pat-na1-mine"]
[[properties]]
name = "plan"
type = "enumeration"
options = ["free", "paid"]
[[faults]]
kind = "status"
status = 503
rate = 0.5
from_seconds = 2
[[faults]]
kind = "reject"
keys = ["a@x.com"]
match = { tier = "gold" }
"""


def test_a_whole_file_is_read(tmp_path):
    path = tmp_path / "scenario.toml"
    path.write_text(WHOLE)
    scenario = Scenario.read(path)
    assert scenario.rules.echo_trace_ids
    assert scenario.account.day_seconds == 60.0
    assert scenario.auth.tokens == ("pat-na1-mine",)
    assert scenario.properties[0].options == ("free", "paid")
    first, second = scenario.faults
    assert isinstance(first.effect, Status)
    assert (first.effect.status, first.trigger.rate, first.trigger.from_seconds) == (503, 0.5, 2.0)
    assert second.trigger.match == {"tier": "gold"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense = 1", "scenario: unknown table 'nonsense'"),
        ("[rules]\nechoes = true", "[rules]: unknown key 'echoes'"),
        ("[rules]\necho_trace_ids = 1", "[rules]: echo_trace_ids must be a bool, got 1"),
        ('[rules]\nconflict = "maybe"', "[rules]: conflict must be one of 'record', 'batch', got 'maybe'"),
        ("rules = 1", "[rules]: expected a table"),
        ('[account]\ntime_zone = "Mars/Base"', "[account]: time_zone 'Mars/Base' is unknown"),
        ("[account]\nday_seconds = 0", "[account]: day_seconds must be positive"),
        ('[auth]\ntokens = "x"', "[auth]: tokens must be a list"),
        ("[[properties]]\nlabel = 'x'", "[[properties]] 1: 'name' is required"),
        ("[[faults]]\nrate = 1", "[[faults]] 1: kind must be one of status, reset"),
        ("[[faults]]\nkind = 'status'", "[[faults]] 1 (status): 'status' is required"),
        ("[[faults]]\nkind = 'status'\nstatus = 100", "status must lie between 200 and 999"),
        ("[[faults]]\nkind = 'reset'\nstatus = 500", "[[faults]] 1 (reset): unknown key 'status'"),
        ("[[faults]]\nkind = 'reset'\nrate = 2", "[[faults]] 1: rate must lie between 0 and 1"),
        ("[[faults]]\nkind = 'reset'\nevery = 0", "[[faults]] 1: every must be at least 1"),
        ("[[faults]]\nkind = 'reset'\nrequests = [1]", "requests must hold 2 values"),
        ("[[faults]]\nkind = 'reset'\nmatch = 'x'", "match must be a table"),
        ("[[faults]]\nkind = 'rules'\nrules = { nonsense = 1 }", "[[faults]] 1: unknown key 'nonsense'"),
        ("faults = 1", "scenario: faults must be a list of tables"),
        ("faults = [1]", "[[faults]] 1: expected a table"),
        ("not toml", "scenario "),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as refused:
        Scenario.read(path)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ScenarioError, match=r"missing\.toml"):
        Scenario.read(tmp_path / "missing.toml")


@pytest.mark.parametrize("wrong", [{"daily_quota": 0}, {"latency_seconds": -1.0}])
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        MockSettings(**wrong)
