"""Reports of wrong values written, or right ones left out, where a constant stood in for the account."""

from pathlib import Path

import pytest

from support.check_runs import check
from support.intercepted_requests import existing, job, upserts
from support.jobs import contacts
from support.mock_transport import make_simulator
from support.undo_runs import state, undo
from support.verify_runs import counts, verify
from uploader.errors import SettingsError
from uploader.hubspot.account import Account
from uploader.hubspot.missing_scopes import missing_scopes
from uploader.hubspot.schema import Schema
from uploader.hubspot.sign_in.token_info import scope_texts
from uploader.mockserver.account.behaviour_switches import Auth
from uploader.model.stop import Cause
from uploader.records.write_policy import Policy

#: The stages of an account that renamed and reordered them, and added two.
STAGES = {
    "name": "lifecyclestage",
    "type": "enumeration",
    "options": ["98211533=Trial", "customer=Client", "lead", "98211534=Former client"],
}


def stage_of(run, email="a@x.com"):
    return run.held()[email]["lifecyclestage"]


def test_the_order_of_lifecycle_stages_is_the_accounts():
    listed = [("lead", 2), ("gone", -1), ("98211533", 0), ("other", None), ("customer", 1)]
    options = [{"label": value, "value": value, "displayOrder": order} for value, order in listed]
    schema = Schema.decode({"results": [{**STAGES, "options": options}]})
    assert schema.kinds["lifecyclestage"].stages == ("98211533", "customer", "lead", "gone", "other")


@pytest.mark.parametrize("lifecycle", ["forward", "any"])
def test_a_stage_that_may_pass_is_sent_whichever_way_hubspot_decides(tmp_path, lifecycle):
    """A built-in order took `customer` for later than `lead`, and settled the row as unchanged."""
    rows = [{"email": "a@x.com", "lifecyclestage": "Trial"}, {"email": "b@x.com", "lifecyclestage": "lead"}]
    there = [
        existing("a@x.com", lifecyclestage="customer"),
        existing("b@x.com", lifecyclestage="customer"),
    ]
    run = job(tmp_path, rows, there=there, rules={"lifecycle": lifecycle}, properties=[STAGES])
    summary = run.run_virtual(skip_unchanged=True)
    assert (summary.as_dict()["updated"], summary.as_dict()["unchanged"]) == (2, 0)
    assert len(upserts(run)) == 1
    assert stage_of(run, "b@x.com") == "lead"  # forward, in this account
    assert stage_of(run) == ("customer" if lifecycle == "forward" else "98211533")


def test_verify_calls_a_stage_that_hubspot_kept_its_doing(tmp_path):
    rows = [{"email": "a@x.com", "lifecyclestage": "Trial"}, {"email": "b@x.com", "lifecyclestage": "lead"}]
    there = [existing("a@x.com", lifecyclestage="98211534")]
    run = job(tmp_path, rows, there=there, properties=[STAGES])
    run.run_virtual()
    report, findings = verify(run)
    assert counts(report) == {"hubspot": 1, "equal": 1}
    assert [(one.wanted, one.found) for one in findings] == [("98211533", "98211534")]


def test_undo_restores_a_stage_of_the_account(tmp_path):
    rows = [{"email": "a@x.com", "lifecyclestage": "Former client"}]
    there = [existing("a@x.com", lifecyclestage="98211533")]
    run = job(tmp_path, rows, there=there, properties=[STAGES], options={"snapshot": True})
    run.run_virtual()
    assert stage_of(run) == "98211534"
    undo(run)
    assert stage_of(run) == "98211533"


DEALS = {"object_type": "deals", "id_property": "external_id"}
RENEWALS = {"id": "renewals", "label": "Renewals", "stages": ["r1=Open", "r2=Closed Won"]}
SALES = {"id": "default", "label": "Sales", "stages": ["s1=Contract sent", "s2=Closed Won"]}


def deals(run):
    return [(held["pipeline"], held["dealstage"]) for held in run.held("external_id").values()]


def test_pipelines_and_stages_are_taken_by_name(tmp_path):
    """Stages are ids that no property lists, so files with their names were refused row by row."""
    rows = [
        {"external_id": "1", "pipeline": "Sales", "dealstage": "Contract sent"},
        {"external_id": "2", "pipeline": "renewals", "dealstage": "Closed won"},
        {"external_id": "3", "pipeline": "default", "dealstage": "CLOSED WON"},
        {"external_id": "4", "pipeline": "Renewals", "dealstage": "r1"},
    ]
    run = job(tmp_path, rows, options=DEALS, pipelines=[SALES, RENEWALS])
    assert run.run_virtual().as_dict()["created"] == 4
    assert deals(run) == [("default", "s1"), ("renewals", "r2"), ("default", "s2"), ("renewals", "r1")]
    assert counts(verify(run)[0]) == {"equal": 4}


def test_a_stage_of_several_pipelines_is_asked_for(tmp_path):
    rows = [
        {"external_id": "1", "dealstage": "Closed Won"},
        {"external_id": "2", "dealstage": "Contract sent"},
        {"external_id": "3", "dealstage": "Contract lost"},
    ]
    run = job(tmp_path, rows, options=DEALS, pipelines=[SALES, RENEWALS])
    run.run_virtual()
    assert run.outcomes() == {2: "invalid", 3: "created", 4: "invalid"}
    ambiguous, unknown = (letter.message for letter in run.dead_letters())
    assert "is a stage of several pipelines (Sales, Renewals)" in ambiguous
    assert "is not a stage of any pipeline" in unknown


SUPPORT = {"id": "0", "label": "Support", "stages": ["1=New", "2=Waiting"]}
LEVELS = {
    "id": "77",
    "label": "Levels",
    "stages": ["901=1", "902=2", "903=904", "904=4", "905=Twice", "906=twice"],
}


@pytest.mark.parametrize("ndjson", [False, True], ids=["csv", "ndjson"])
def test_a_stage_that_is_set_goes_by_the_pipeline_of_the_row(tmp_path, ndjson):
    """Without the row's pipeline, deals of one pipeline got a stage of another one."""
    pipelines = ["Sales", "Renewals", "", "Nowhere"]
    rows = [{"external_id": f"{n}", "pipeline": name} for n, name in enumerate(pipelines)]
    run = job(tmp_path, rows, ndjson=ndjson, options=DEALS, pipelines=[SALES, RENEWALS])
    run.run_virtual(constants={"dealstage": "Closed Won"})
    assert deals(run) == [("default", "s2"), ("renewals", "r2")]
    without, unknown = (letter.message for letter in run.dead_letters())
    assert "--set dealstage: 'Closed Won' is a stage of several pipelines (Sales, Renewals)" in without
    assert "pipeline: 'Nowhere' is not a pipeline" in unknown
    assert counts(verify(run)[0]) == {"equal": 2}


@pytest.mark.parametrize("ndjson", [False, True], ids=["csv", "ndjson"])
def test_a_stage_that_is_set_is_taken_from_no_other_pipeline(tmp_path, ndjson):
    rows = [{"external_id": f"{n}", "pipeline": name} for n, name in enumerate(["Renewals", "Sales"])]
    run = job(tmp_path, rows, ndjson=ndjson, options=DEALS, pipelines=[SALES, RENEWALS])
    run.run_virtual(constants={"dealstage": "s1"}, on_bad_value="drop")
    held = run.held("external_id")
    assert held["1"]["dealstage"] == "s1"
    assert "dealstage" not in held["0"]
    run.run_virtual(constants={"dealstage": "s1"}, restart=True)
    (letter,) = run.dead_letters()
    assert "--set dealstage: 's1' is not a stage of the pipeline 'Renewals'" in letter.message
    with pytest.raises(SettingsError, match="--set dealstage=s9: the value is not a stage of any pipeline"):
        run.run_virtual(constants={"dealstage": "s9"}, restart=True)


@pytest.mark.parametrize("foreign_stages", ["refused", "stored"])
def test_a_stage_of_another_pipeline_than_that_in_the_account_is_the_accounts_to_judge(
    tmp_path, foreign_stages
):
    """Rows that name no pipeline: HubSpot takes that of the record, and for new ones the first."""
    rows = [{"external_id": "1", "dealstage": "r1"}, {"external_id": "2", "dealstage": "s1"}]
    rules = {"foreign_stages": foreign_stages}
    run = job(tmp_path, rows, options=DEALS, pipelines=[SALES, RENEWALS], rules=rules)
    run.run_virtual()
    assert run.outcomes()[2] == ("rejected" if foreign_stages == "refused" else "created")
    assert run.outcomes()[3] == "created"


def test_a_stage_of_another_pipeline_is_never_taken(tmp_path):
    """The id of a stage of one pipeline is the label of a stage of another one."""
    rows = [
        {"external_id": "1", "pipeline": "Levels", "dealstage": "2"},
        {"external_id": "2", "pipeline": "Support", "dealstage": "2"},
        {"external_id": "3", "pipeline": "Levels", "dealstage": "902"},
        {"external_id": "4", "pipeline": "Support", "dealstage": "902"},
        {"external_id": "5", "pipeline": "", "dealstage": "2"},
        {"external_id": "6", "pipeline": "Levels", "dealstage": "904"},
        {"external_id": "7", "pipeline": "Levels", "dealstage": "Twice"},
    ]
    run = job(tmp_path, rows, options=DEALS, pipelines=[SUPPORT, LEVELS])
    run.run_virtual()
    assert deals(run) == [("77", "902"), ("0", "2"), ("77", "902")]
    other, without, both, twice = (letter.message for letter in run.dead_letters())
    assert "is not a stage of the pipeline 'Support'" in other
    assert "is a stage of several pipelines (Support, Levels): name the pipeline" in without
    assert "means several stages of one pipeline ('904' with id 903, '4' with id 904): use an id or" in both
    assert "('Twice' with id 905, 'twice' with id 906)" in twice


def test_a_name_that_is_the_id_of_another_pipeline_is_asked_for(tmp_path):
    rows = [{"external_id": "1", "pipeline": "0", "dealstage": "New"}]
    named = {"id": "78", "label": "0", "stages": ["911=New"]}
    run = job(tmp_path, rows, options=DEALS, pipelines=[SUPPORT, named])
    run.run_virtual()
    (letter,) = run.dead_letters()
    assert "pipeline: '0' means several pipelines (ids 0, 78)" in letter.message


def test_a_stage_is_left_out_with_its_pipeline(tmp_path):
    rows = [{"external_id": "1", "pipeline": "Nowhere", "dealstage": "New"}]
    options = {**DEALS, "on_bad_value": "drop"}
    run = job(tmp_path, rows, options=options, pipelines=[SUPPORT])
    assert run.run_virtual().as_dict()["created"] == 1
    (held,) = run.held("external_id").values()
    assert "dealstage" not in held


@pytest.mark.parametrize(
    "constants",
    [{"pipeline": "Renewals"}, {"pipeline": "Renewals", "dealstage": "Closed Won"}],
    ids=["a pipeline for all rows", "both for all rows"],
)
def test_the_pipeline_that_set_gives_decides_what_a_stage_is(tmp_path, constants):
    rows = [{"external_id": "1", "dealstage": "Closed Won"}]
    rows = [{name: text for name, text in row.items() if name not in constants} for row in rows]
    options = {**DEALS, "constants": constants}
    run = job(tmp_path, rows, options=options, pipelines=[SALES, RENEWALS])
    run.run_virtual()
    assert deals(run) == [("renewals", "r2")]


def test_rows_that_name_their_fields_have_pipelines_of_their_own(tmp_path):
    rows = [
        {"external_id": "1", "dealstage": "Closed Won", "pipeline": "Sales"},
        {"external_id": "2", "pipeline": "Renewals", "dealstage": "Closed Won"},
        {"id": "3", "properties": {"pipeline": "Renewals", "dealstage": "Closed Won"}},
    ]
    run = job(tmp_path, rows, ndjson=True, options=DEALS, pipelines=[SALES, RENEWALS])
    run.run_virtual()
    assert deals(run) == [("default", "s2"), ("renewals", "r2"), ("renewals", "r2")]


def test_stages_that_the_token_may_not_read_are_left_to_hubspot(tmp_path):
    rows = [
        {"external_id": "1", "pipeline": "default", "dealstage": "s2"},
        {"external_id": "2", "pipeline": "default", "dealstage": "Closed Won"},
    ]
    unread = {"kind": "status", "endpoint": "pipelines", "status": 403}
    run = job(tmp_path, rows, options=DEALS, pipelines=[SALES], faults=[unread])
    run.run_virtual()
    assert run.outcomes() == {2: "created", 3: "rejected"}


@pytest.mark.parametrize(
    ("kind", "is_careful"),
    [
        ("STANDARD", True),
        ("", True),
        ("PARTNER", True),
        ("SANDBOX", False),
        ("DEVELOPER_TEST", False),
    ],
)
def test_an_account_of_a_kind_that_is_not_known_may_be_one_that_people_work_in(kind, is_careful):
    """A kind that HubSpot adds would have been written to without a canary, and without asking."""
    assert Account(kind=kind).may_be_production is is_careful


# --- scopes that a 403 names ---

SHAPES = pytest.mark.parametrize("shape", ["errors", "context"])


def lacking(shape, *scopes, **more):
    """A scenario whose token lacks these scopes; a refusal names them in one of the two shapes."""
    left = [one for one in Auth().scopes if one not in scopes]
    return {"auth": {"scopes": left}, "rules": {"scope_error_shape": shape}, **more}


def test_scopes_are_found_in_each_shape_and_other_text_is_left_out():
    names = ["crm.a.read", "crm.a.read", "b", "", 7, "\x1b[2J", "x" * 200]
    shapes = [
        {"context": {"requiredGranularScopes": names}},
        {"errors": ["?", {"context": None}, {"context": {"requiredScopes": names}}]},
        {"errors": {}, "context": {"missingScopes": names}},
    ]
    assert [missing_scopes(shape) for shape in shapes] == [("crm.a.read", "b")] * 3
    assert [missing_scopes(shape) for shape in (None, {}, {"context": 1, "errors": [{}]})] == [()] * 3


@SHAPES
@pytest.mark.parametrize(
    ("missing", "options"),
    [
        ("crm.objects.contacts.write", {}),
        ("crm.objects.contacts.read", {"skip_unchanged": True}),
    ],
)
def test_a_run_that_a_403_stops_names_the_scope(tmp_path, shape, missing, options):
    run = job(tmp_path, [{"email": "a@x.com"}], **lacking(shape, missing))
    summary = run.run_virtual(**options)
    assert summary.cause is Cause.SCOPE
    assert summary.reason.endswith(f"HTTP 403: the token lacks the scope {missing}")


@SHAPES
def test_check_names_the_scopes_for_what_it_cannot_see(tmp_path, shape):
    rows = [{"external_id": "1", "dealstage": "Closed Won", "hubspot_owner_id": "Ann"}]
    scenario = lacking(shape, "oauth", "crm.objects.owners.read")
    scenario["faults"] = [{"kind": "status", "endpoint": "pipelines", "status": 403, "shape": shape}]
    run = job(tmp_path, rows, options=DEALS, **scenario)
    said = check(run).not_checked
    assert any(
        one.startswith("whether it is a production account") and "(scope oauth)" in one for one in said
    )
    assert any(one.startswith("the values of dealstage") and "crm.objects.deals.read)" in one for one in said)


def test_check_says_of_no_scope_that_it_is_missing_because_a_property_is(tmp_path):
    """Owners and pipelines are read all the same, and the properties were, also without the scope for it."""
    rows = [{"sf_id": "1", "dealstage": "Closed Won", "hubspot_owner_id": "Ann"}]
    run = job(tmp_path, rows, options={"object_type": "deals", "id_property": "sf_id"})
    report = check(run)
    assert any("no property" in one for one in report.problems)
    said = [*report.problems, *report.warnings, *report.not_checked, *map(str, report.unknown_owners)]
    assert [one for one in said if "scope" in one or "pipelines" in one] == []
    assert report.schema.owners is not None


@SHAPES
def test_check_names_the_scopes_for_usage_and_limits(tmp_path, shape):
    faults = [
        {"kind": "status", "endpoint": one, "status": 403, "shape": shape} for one in ("usage", "limits")
    ]
    said = check(job(tmp_path, [{"email": "a@x.com"}], faults=faults)).not_checked
    assert [one.partition(":")[0] for one in said if "the token may not read it (scope oauth)" in one] == [
        "when the account's day ends",
        "how many more records the account can hold",
    ]


def test_a_row_with_an_owner_that_cannot_be_read_names_the_scope(tmp_path):
    rows = [{"email": "a@x.com", "hubspot_owner_id": "Ann"}]
    run = job(tmp_path, rows, **lacking("errors", "crm.objects.owners.read"))
    run.run_virtual()
    [letter] = run.dead_letters()
    assert "give the token the scope crm.objects.owners.read" in letter.message


def test_a_refusal_that_names_no_scope_gets_the_documented_one(tmp_path):
    refused = {"kind": "status", "endpoint": "properties", "status": 403, "shape": "html", "requests": [2, 3]}
    run = job(tmp_path, [{"email": "a@x.com", "ssn": "1"}], properties=SECRETS, faults=[refused])
    with pytest.raises(SettingsError, match=f"the token lacks the scope {' or '.join(READ)}"):
        run.run_virtual()


@SHAPES
def test_an_account_that_may_not_be_read_names_the_scope(tmp_path, shape):
    unknown = {"kind": "status", "endpoint": "token", "status": 404}
    run = job(tmp_path, [{"email": "a@x.com"}], **lacking(shape, "oauth", faults=[unknown]))
    with pytest.raises(SettingsError, match="give it the scope `oauth`"):
        run.run_virtual(portal="44237313")


@SHAPES
def test_a_pending_row_that_may_not_be_read_back_names_the_scope(tmp_path, shape):
    pending = {"kind": "batch_status", "status": "PENDING", "results_share": 0.0, "applied": True}
    scenario = lacking(shape, "crm.objects.contacts.read", faults=[pending])
    run = job(tmp_path, [{"email": "a@x.com"}], **scenario)
    run.run_virtual()
    assert run.outcomes() == {2: "pending"}
    results = Path(f"{run.source}.results.csv").read_text(encoding="utf-8")
    assert "(the token lacks the scope crm.objects.contacts.read)" in results


@SHAPES
def test_undo_names_the_scope_that_it_lacks(tmp_path, shape):
    there = [existing("old@x.com", city="Ulm")]
    rows = [{"email": "old@x.com", "city": "Bonn"}]
    run = job(tmp_path, rows, there=there, options={"snapshot": True})
    run.run_virtual()
    run.simulator.change_scenario(make_simulator(**lacking(shape, "crm.objects.contacts.write")).scenario)
    report, _ = undo(run)
    assert "the token lacks the scope crm.objects.contacts.write" in report.end.reason


@pytest.mark.parametrize("usage", ["alone", "among_others", "contradicting"])
def test_the_days_usage_is_the_entry_of_private_apps_unless_headers_contradict_it(tmp_path, usage):
    """The first entry was taken, whatever its name, and its limit put in place of that of the headers."""
    days = []
    run = job(tmp_path, contacts(300), rules={"usage": usage})
    run.run_virtual(on_start=lambda one: days.append(one.session.sender.day))
    [day] = days
    assert day.limit == run.simulator.settings.daily_quota
    told = day.resets_at and day.resets_at.strftime("%H:%M %Z")
    assert told == (None if usage == "contradicting" else "05:00 UTC")  # midnight in New York


@pytest.mark.parametrize(
    ("object_type", "scopes", "problem"),
    [
        ("0-1", ["crm.objects.contacts.write"], ""),
        ("tickets", ["tickets"], ""),
        ("0-5", ["crm.objects.tickets.write"], "lacks the scope tickets,"),
        ("p_cars", ["crm.objects.custom.write"], ""),
        ("2-123456", [], "lacks the scope crm.objects.custom.write"),
        ("products", [], ""),  # not known, so it is left to HubSpot
    ],
)
def test_the_scope_that_writing_needs_is_the_one_of_the_type(object_type, scopes, problem):
    said, _ = scope_texts(frozenset(scopes), object_type)
    assert (problem in said) if problem else not said


# --- sensitive properties ---

SECRETS = [
    {"name": "ssn", "label": "Social security number", "sensitive": True},
    {"name": "diagnosis", "highly_sensitive": True, "unique": True},
]
READ = ("crm.objects.contacts.sensitive.read.v2", "crm.objects.contacts.highly_sensitive.read.v2")


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        ([{"email": "a@x.com", "ssn": "1", "diagnosis": "2"}], {}),
        ([{"email": "a@x.com", "Social security number": "1", "diagnosis": "2"}], {}),
        ([{"email": "a@x.com", "Nr.": "1", "diagnosis": "2"}], {"mapped": {"Nr.": "ssn"}}),
        ([{"email": "a@x.com", "diagnosis": "2"}], {"constants": {"ssn": "1"}}),
        ([{"email": "a@x.com", "ssn": "1", "diagnosis": "2"}], {"id_property": "diagnosis"}),
    ],
    ids=["name", "label", "mapped", "constant", "key"],
)
@pytest.mark.parametrize("ndjson", [False, True], ids=["csv", "ndjson"])
def test_sensitive_properties_exist(tmp_path, rows, options, ndjson):
    """They are hidden from the list of properties unless asked for, and were called unknown."""
    run = job(tmp_path, rows, ndjson=ndjson, options={**options, "snapshot": True}, properties=SECRETS)
    assert run.run_virtual().as_dict()["created"] == 1
    assert run.held()["a@x.com"] | {"ssn": "1", "diagnosis": "2"} == run.held()["a@x.com"]
    assert counts(verify(run)[0]) == {"equal": 1}
    undo(run)
    assert not state(run)


def test_undo_restores_a_sensitive_property(tmp_path):
    there = [existing("a@x.com", ssn="0")]
    run = job(
        tmp_path,
        [{"email": "a@x.com", "ssn": "1"}],
        there=there,
        options={"snapshot": True},
        properties=SECRETS,
    )
    run.run_virtual()
    undo(run)
    assert run.held()["a@x.com"]["ssn"] == "0"


@SHAPES
@pytest.mark.parametrize(
    ("rows", "options"),
    [
        ([{"email": "a@x.com", "ssn": "1"}], {}),
        ([{"email": "a@x.com", "Nr.": "1"}], {"mapped": {"Nr.": "ssn"}}),
        ([{"email": "a@x.com"}], {"constants": {"ssn": "1"}}),
        ([{"email": "a@x.com", "ssn": "1"}], {"id_property": "ssn"}),
    ],
    ids=["column", "mapped", "constant", "key"],
)
def test_what_may_be_a_sensitive_property_is_not_called_unknown(tmp_path, rows, options, shape):
    run = job(tmp_path, rows, options=options, properties=SECRETS, **lacking(shape, *READ))
    with pytest.raises(
        SettingsError, match=r"may be a sensitive property: the token lacks the scope crm\.objects"
    ):
        run.run_virtual()


@pytest.mark.parametrize("definitions", ["listed", "refused"])
def test_a_sensitive_value_that_replies_leave_out_is_not_taken_for_a_blank(tmp_path, definitions):
    """Definitions need no scope, and values do: --write fill would overwrite what it does not see."""
    scopes = {"auth": {"scopes": [one for one in Auth().scopes if one not in READ]}}
    run = job(
        tmp_path,
        [{"email": "a@x.com", "ssn": "1"}],
        there=[existing("a@x.com", ssn="0")],
        properties=SECRETS,
        rules={"sensitive_definitions": definitions},
        **scopes,
    )
    with pytest.raises(SettingsError, match="may be a sensitive property: the token lacks the scope"):
        run.run_virtual(policy=Policy.FILL)
    assert run.held()["a@x.com"]["ssn"] == "0"


def test_a_field_that_may_be_sensitive_is_not_called_unknown(tmp_path):
    run = job(
        tmp_path,
        [{"email": "a@x.com", "ssn": 1}],
        ndjson=True,
        properties=SECRETS,
        **lacking("errors", *READ),
    )
    run.run_virtual()
    [letter] = run.dead_letters()
    assert f"may be a sensitive property: the token lacks the scope {READ[0]}" in letter.message


def test_a_token_that_may_not_write_a_sensitive_property_is_told_the_scope(tmp_path):
    scope = "crm.objects.contacts.sensitive.write.v2"
    run = job(tmp_path, [{"email": "a@x.com", "ssn": "1"}], properties=SECRETS, **lacking("context", scope))
    assert any(
        f"'ssn' is a sensitive property: the token lacks the scope {scope}" in one
        for one in check(run).problems
    )
    summary = run.run_virtual()
    assert (summary.cause, summary.reason.endswith(f"lacks the scope {scope}")) == (Cause.SCOPE, True)


def test_names_that_are_listed_need_no_further_request(tmp_path):
    run = job(tmp_path, [{"email": "a@x.com", "city": "Ulm"}], properties=SECRETS)
    run.run_virtual()
    assert run.transport.paths.count("/crm/v3/properties/contacts") == 1
