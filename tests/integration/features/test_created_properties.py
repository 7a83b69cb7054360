"""Properties created from a file of definitions, and archived again while they are empty."""

from dataclasses import replace

import pytest

from support.property_runs import ACCOUNT, Case, table, toml
from support.soaked import some
from uploader.errors import CheckpointError, DeclinedError, SettingsError
from uploader.model.stop import Cause
from uploader.properties.creation_record import read_record
from uploader.system.private_files import Lock

CREATE = "create_properties"


def test_what_the_account_lacks_is_created_and_recorded_and_nothing_else(tmp_path):
    case = Case(tmp_path, toml("city", "shoe_size", "nickname"))
    report = case.create()
    assert (report.created, report.existing, report.refused, report.left) == (
        ["shoe_size", "nickname"],
        {"city": ""},
        {},
        [],
    )
    assert report.exit_code == 0
    assert case.names() >= {"shoe_size", "nickname"}
    assert case.states() == {"shoe_size": "created", "nickname": "created", "city": "existing"}
    assert read_record(case.record).entries["shoe_size"].created_at.startswith("2026-01-01")
    again = case.create()
    assert (again.created, again.exit_code, f"{CREATE}" in str(case.sent)) == (
        ["shoe_size", "nickname"],
        0,
        False,
    )
    assert case.record.stat().st_mode & 0o777 == 0o600


def test_hundreds_are_created_and_archived_a_hundred_a_request(tmp_path):
    case = Case(tmp_path, toml(*(f"p{n}" for n in range(250))))
    assert len(case.create().created) == 250
    assert sum(path.endswith("batch/create") for path in case.sent) == 3
    report = case.remove()
    assert (len(report.archived), sum(path.endswith("batch/archive") for path in case.sent)) == (250, 3)
    assert "p7" not in case.names()


def test_one_that_exists_in_another_form_is_told(tmp_path):
    text = toml("score", "tier") + table("vip", type="enumeration", options=["a"])
    case = Case(tmp_path, text)
    report = case.create()
    assert report.existing == {
        "score": "it has the type number, not string",
        "tier": "it has the type enumeration, not string",
        "vip": "it has the type bool, not enumeration",
    }
    assert (report.exit_code, case.record.exists()) == (1, False)


@pytest.mark.parametrize("multi_status", [True, False], ids=["207", "400 for all"])
def test_a_refused_one_is_named_with_its_reason_and_the_others_are_created(tmp_path, multi_status):
    text = (
        toml("a", "b", "c") + '\n[[property]]\nname = "bad"\nlabel = "Bad"\ntype = "string"\ngroup = "no"\n'
    )
    case = Case(tmp_path, text, rules={"multi_status": multi_status})
    report = case.create()
    assert report.created == ["a", "b", "c"]
    assert report.refused == {"bad": "Property group 'no' does not exist."}
    assert (report.exit_code, case.states()["bad"]) == (1, "refused")


def test_one_that_somebody_else_created_meanwhile_is_not_ours(tmp_path):
    scopes = ["oauth", "crm.objects.contacts.read", "crm.schemas.contacts.write"]
    hidden = {"properties": [{"name": "shoe_size", "sensitive": True}], "auth": {"scopes": scopes}}
    case = Case(tmp_path, toml("shoe_size", "nickname"), **hidden)
    report = case.create()  # the token does not see the sensitive one
    assert (report.created, report.existing) == (["nickname"], {"shoe_size": ""})
    assert case.states() == {"shoe_size": "existing", "nickname": "created"}


@pytest.mark.parametrize("applied", [True, False])
def test_after_a_lost_reply_all_is_ours_whether_it_was_applied_or_not(tmp_path, applied):
    fault = {"kind": "status", "status": 502, "endpoint": CREATE, "applied": applied, "times": 1}
    case = Case(tmp_path, toml("a", "b"), faults=[fault])
    report = case.create()
    assert (report.created, report.existing) == (["a", "b"], {})
    assert case.states() == {"a": "created", "b": "created"}
    assert case.remove().archived == ["a", "b"]


@pytest.mark.parametrize("kill_after", some(0.5, 5.5, 7.5, soaked=[4.5, 6.5, 8.5]))
def test_killed_at_any_moment_the_next_run_creates_the_rest_and_undo_knows_all(tmp_path, kill_after):
    names = [f"p{n}" for n in range(250)]
    case = Case(tmp_path, toml(*names), latency_seconds=1.0)
    assert case.create(kill_after=kill_after) is None
    report = case.create()
    assert (sorted(report.created), report.existing, report.refused) == (sorted(names), {}, {})
    assert set(case.states().values()) == {"created"}
    case.remove(kill_after=kill_after)
    case.remove()
    assert case.names().isdisjoint(names)


def test_without_approval_nothing_is_created_nor_written(tmp_path):
    case = Case(tmp_path, toml("a", "city"))
    with pytest.raises(DeclinedError):
        case.create(approves=False)
    assert (case.record.exists(), "a" in case.names()) == (False, False)
    [plan] = case.asked
    assert ([one.name for one in plan.to_create], plan.existing) == (["a"], {"city": ""})
    report = case.create(dry=True)
    assert (report.left, case.record.exists(), "a" in case.names()) == (["a"], False, False)


def test_another_account_than_the_named_one_is_refused(tmp_path):
    case = Case(tmp_path, toml("a"))
    with pytest.raises(SettingsError, match="belongs to account 44237313"):
        case.create(portal="7")
    assert "a" not in case.names()


@pytest.mark.parametrize(
    ("fault", "cause", "code"),
    [
        ({"kind": "status", "status": 403}, Cause.SCOPE, 2),
        ({"kind": "status", "status": 503}, Cause.OUTAGE, 75),
    ],
    ids=["scope", "outage"],
)
def test_what_keeps_all_from_being_created_stops_it_and_the_same_command_continues(
    tmp_path, fault, cause, code
):
    case = Case(tmp_path, toml("a"), faults=[fault | {"endpoint": CREATE}])
    report = case.create()
    assert (report.end.cause, report.exit_code, report.left) == (cause, code, ["a"])
    if cause is Cause.SCOPE:
        assert "crm.schemas.contacts.write" in report.end.reason
    case.change_scenario()
    assert case.create().created == ["a"]


def test_undo_keeps_properties_with_values_and_archives_them_once_they_are_empty(tmp_path):
    case = Case(tmp_path, toml("a", "b", "c"))
    case.create()
    held = [("c0", "b"), ("c1", "b"), ("d", "c")]
    people = [{"properties": {"email": f"{person}@x.com", name: "1"}} for person, name in held]
    case.simulator.account.seed({"contacts": people}, "2026-01-01T00:00:00.000Z")
    dry = case.remove(dry=True)
    assert (dry.left, dry.archived, "a" in case.names()) == (["a"], [], True)
    report = case.remove()
    assert (report.archived, report.kept) == (
        ["a"],
        {"b": "2 contacts have a value", "c": "1 contact has a value"},
    )
    assert (report.exit_code, case.names() & {"a", "b", "c"}) == (1, {"b", "c"})
    change = [{"email": f"{name}@x.com", "properties": {"b": "", "c": ""}} for name in ("c0", "c1", "d")]
    case.simulator.change_records(case.clock, change, [])
    report = case.remove()
    assert (report.archived, report.kept, report.exit_code) == (["b", "c"], {}, 0)
    assert case.remove().archived == []


def test_undo_leaves_what_was_there_before_and_what_others_created_anew(tmp_path):
    case = Case(tmp_path, toml("city", "a", "b"))
    case.create()
    account = case.simulator.account
    store = account._store("contacts")
    made = store.catalogue.by_name["a"]
    store.archive_properties(["a", "b"], "2026-02-01T00:00:00.000Z")
    store.add_properties([replace(made, created_at="2026-02-02T00:00:00.000Z")])
    report = case.remove()
    assert (report.archived, report.gone) == ([], ["b"])
    assert report.kept == {"a": "it is another property now: created anew by others"}
    assert case.names() >= {"city", "a"}


def test_undo_asks_and_is_refused_for_another_account(tmp_path):
    case = Case(tmp_path, toml("a"))
    case.create()
    asked = []

    async def approve(account, names):
        asked.append((account.portal, list(names)))
        return False

    with pytest.raises(DeclinedError):
        case.remove(approve=approve)
    assert (asked, "a" in case.names()) == ([(ACCOUNT, ["a"])], True)
    case.change_scenario(account={"portal_id": 7})
    with pytest.raises(SettingsError, match="use a token of account 44237313"):
        case.remove()


def test_a_sandbox_and_a_production_account_have_a_record_each(tmp_path):
    case = Case(tmp_path, toml("a"))
    case.create()
    case.change_scenario(account={"portal_id": 7})
    case.simulator.reset(case.clock)
    case.create()
    assert {path.name for path in tmp_path.glob("*.json")} == {
        "new.toml.44237313.created.json",
        "new.toml.7.created.json",
    }


def test_two_processes_do_not_work_on_one_record(tmp_path):
    case = Case(tmp_path, toml("a"))
    lock = Lock(case.record)
    lock.acquire()
    try:
        with pytest.raises(CheckpointError, match="another process is using"):
            case.create()
    finally:
        lock.release()


@pytest.mark.parametrize("text", ['{"record": "properties created by uploader"}', "{}", "no JSON"])
def test_a_file_that_is_no_record_is_refused_and_stays(tmp_path, text):
    case = Case(tmp_path, toml("a"))
    case.record.write_text(text)
    with pytest.raises(SettingsError, match="no record of created properties"):
        case.create()
    assert (case.record.read_text(), "a" in case.names()) == (text, False)


def test_properties_of_companies_are_created_for_companies(tmp_path):
    case = Case(tmp_path, toml("a", object_type="companies"))
    assert case.create().created == ["a"]
    assert ("a" in case.names("companies"), "a" in case.names()) == (True, False)
    assert case.remove().archived == ["a"]
