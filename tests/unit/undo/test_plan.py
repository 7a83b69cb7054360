"""What of a contact goes back: never what somebody else has touched, never what we did not send."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import example, given, strategies as st
from msgspec import structs

from support.builders import record
from uploader.hubspot.replies import Result, Version
from uploader.hubspot.reply_decoding import decode
from uploader.hubspot.requests import OWN_ID, encode_read, encode_updates
from uploader.hubspot.schema import Kind
from uploader.pipeline.read_matching import merged_ids
from uploader.pipeline.value_authors import OWN_SOURCES
from uploader.undo.plan import (
    MERGED_SINCE,
    TAKEN_OVER,
    Portal,
    Trace,
    UndoOutcome,
    plan,
    wanted_history,
)

APP = "1512050"
NAMES = ("city", "firstname", "lifecyclestage", "size", "tags")
KINDS = {"city": Kind("string"), "size": Kind("number"), "tags": Kind("enumeration", is_multiple=True)}
PORTAL = Portal(APP, frozenset(NAMES), KINDS)
BORN = "2026-01-01T00:00:00.000Z"
LATER = "2026-01-02T00:00:00.000Z"
LONG_AGO = "2025-01-01T00:00:00.000Z"
#: A minute before BORN: when the keys of a created contact were seen to lead to nobody.
ABSENT_AT = datetime.fromisoformat(BORN).timestamp() - 60.0
OTHERS = (
    "CRM_UI",
    "AUTOMATION_PLATFORM",
    "IMPORT",
    "FORM",
    "BATCH_UPDATE",
    "MERGE_OBJECTS",
    "API",
    "NEW_THING",
)

texts = st.sampled_from(["", "a", "b", "1", "1.0", "lead", "customer", "a;b", "b;a", ";a"])
sources = st.sampled_from(
    [("INTEGRATION", APP), ("INTEGRATION", "9"), *((s, "") for s in OTHERS), ("", ""), ("CALCULATED", "")]
)
values = st.dictionaries(st.sampled_from(NAMES), texts)


@st.composite
def traces(draw):
    former = draw(values)
    sent = {name: draw(st.lists(texts, min_size=1, max_size=2)) for name in former}
    was_absent = draw(st.booleans())
    return Trace(
        number=1,
        hubspot_id="7",
        was_absent=was_absent,
        was_there=draw(st.booleans()) if was_absent else True,
        former=former,
        sent=sent,
        archiving=draw(st.booleans()),
        restoring=draw(st.sampled_from([{}, former])),
        is_named=draw(st.booleans()),
        absent_at=draw(st.sampled_from([0.0, ABSENT_AT])),
    )


@st.composite
def helds(draw):
    properties = draw(values)
    history = {
        name: [Version(text, draw(st.sampled_from([LONG_AGO, BORN, LATER])), *draw(sources))]
        for name, text in properties.items()
    }
    listed = draw(
        st.sampled_from(
            [
                {},
                {"hs_object_source": "INTEGRATION", "hs_object_source_id": APP},
                {"hs_object_source": "FORM"},
            ]
        )
    )
    created = draw(st.sampled_from([BORN, BORN, LONG_AGO]))
    merged = draw(st.sampled_from([{}, {}, {"hs_merged_object_ids": "5;7"}]))
    hubspot_id = draw(st.sampled_from(["7", "7", "7", "9"]))
    return Result(hubspot_id, False, "", {**properties, **listed, **merged}, created=created, history=history)


def who(held: Result, name: str) -> tuple[str, str]:
    version = held.latest(name)
    return (version.source, version.source_id) if version else ("", "")


def is_somebody_else(source: tuple[str, str]) -> bool:
    return source[0] in OTHERS or source == ("INTEGRATION", "9")


@given(traces(), helds())
def test_nothing_is_both_archived_and_written_and_no_property_is_both_written_and_kept(trace, held):
    made = plan(trace, held, PORTAL)
    assert not (made.archive and made.restore)
    assert not {finding.property for finding in made.findings} & made.restore.keys()
    assert (made.outcome in {UndoOutcome.KEPT, UndoOutcome.GONE}) == bool(made.findings)
    assert made.outcome in {
        UndoOutcome.ARCHIVED,
        UndoOutcome.RESTORED,
        UndoOutcome.AS_BEFORE,
        UndoOutcome.KEPT,
        UndoOutcome.GONE,
    }
    assert made.restore.items() <= trace.former.items()


@given(traces(), helds())
def test_an_archived_contact_was_not_there_and_nobody_else_has_written_to_it(trace, held):
    if not plan(trace, held, PORTAL).archive:
        return
    assert trace.was_absent
    assert not trace.was_there
    assert held.id == trace.hubspot_id
    assert not merged_ids(held)
    assert not (trace.absent_at and held.created == LONG_AGO)
    assert held.properties.get("hs_object_source") != "FORM"
    assert not any(is_somebody_else(who(held, name)) for name in held.history)


@given(traces(), helds())
def test_only_values_that_are_ours_by_value_and_source_go_back(trace, held):
    for name in plan(trace, held, PORTAL).restore:
        assert not is_somebody_else(who(held, name))
        now = held.properties.get(name, "")
        is_half_done = name == "lifecyclestage" and not now and name in trace.restoring
        assert any(_like(text, now) for text in trace.sent[name]) or is_half_done
        assert now != trace.former[name]


def _like(sent: str, held: str) -> bool:
    """A generous reading of "the same", by other means."""
    if {sent, held} == {"1", "1.0"}:
        return True
    parts = set(held.split(";"))
    return sent == held or (set(sent.split(";")) - {""} <= parts and ";" in sent + held)


@st.composite
def mostly_ours(draw):
    """A contact that was there before, and holds what the job sent of most properties."""
    trace = draw(traces().filter(lambda trace: trace.former))
    held = draw(helds())
    ours = {name: draw(st.sampled_from(list(sent))) for name, sent in trace.sent.items()}
    by_us = {name: [Version(text, LATER, "INTEGRATION", APP)] for name, text in ours.items()}
    left = draw(st.sets(st.sampled_from(NAMES), max_size=1))
    properties = {**held.properties, **{name: text for name, text in ours.items() if name not in left}}
    history = {**held.history, **{name: version for name, version in by_us.items() if name not in left}}
    changed = Trace(1, "7", False, True, trace.former, trace.sent)
    return changed, Result("7", False, "", properties, created=BORN, history=history)


@given(mostly_ours())
def test_what_was_written_back_is_as_before_and_counts_as_restored(pair):
    trace, held = pair
    made = plan(trace, held, PORTAL)
    if not made.restore or made.findings:
        return
    done = {**held.properties, **made.restore}
    history = {
        **held.history,
        **{name: [Version(text, LATER, "INTEGRATION", APP)] for name, text in made.restore.items()},
    }
    after = Result("7", False, "", done, created=BORN, history=history)
    again = plan(Trace(1, "7", False, True, trace.former, trace.sent, restoring=made.restore), after, PORTAL)
    assert (again.outcome, again.restore, again.restored_before) == (
        UndoOutcome.RESTORED,
        {},
        len(made.restore),
    )
    fresh = plan(Trace(1, "7", False, True, trace.former, trace.sent), after, PORTAL)
    assert (fresh.outcome, fresh.restore) == (UndoOutcome.AS_BEFORE, {})


@given(traces(), helds(), st.sampled_from(NAMES), st.sampled_from(OTHERS))
def test_a_touch_by_somebody_else_only_ever_saves(trace, held, name, source):
    if name not in held.history:
        return
    touched = Result(
        held.id,
        False,
        "",
        held.properties,
        created=BORN,
        history={**held.history, name: [Version(str(held.properties[name]), LATER, source)]},
    )
    was, now = plan(trace, held, PORTAL), plan(trace, touched, PORTAL)
    assert not now.archive
    if not was.archive:
        assert now.restore.items() <= was.restore.items()
    assert name not in now.restore


@pytest.mark.parametrize(
    ("trace", "outcome"),
    [
        (Trace(1, "7", True, False, {}, {}), UndoOutcome.GONE),
        (Trace(1, "7", True, False, {}, {}, was_archived=True), UndoOutcome.AS_BEFORE),
        (Trace(1, "7", False, True, {}, {}, was_archived=True), UndoOutcome.GONE),
        (Trace(1, "7", True, False, {}, {}, archiving=True), UndoOutcome.ARCHIVED),
        (Trace(1, "7", False, True, {"city": ""}, {}), UndoOutcome.GONE),
        (Trace(1, "7", False, True, {"city": ""}, {}, restoring={"city": ""}), UndoOutcome.GONE),
    ],
)
def test_a_record_that_is_not_found_is_not_written(trace, outcome):
    made = plan(trace, None, PORTAL)
    assert (made.outcome, made.writes) == (outcome, False)


def held_with(
    source: str, source_id: str = "", at: str = LATER, value: str = "a", name: str = "city"
) -> Result:
    return Result(
        "7", False, "", {name: value}, created=BORN, history={name: [Version(value, at, source, source_id)]}
    )


CREATED = Trace(1, "7", True, False, {}, {"firstname": ["a"]})


@pytest.mark.parametrize("source", sorted(OWN_SOURCES))
def test_what_hubspot_writes_by_itself_keeps_no_contact(source):
    assert plan(CREATED, held_with(source), PORTAL).archive


@pytest.mark.parametrize(
    ("held", "portal", "archived"),
    [
        (held_with("INTEGRATION", APP, BORN), PORTAL, True),  # a default that came with our own request
        (held_with("INTEGRATION", APP, LATER), PORTAL, False),  # another job of the same app
        (held_with("INTEGRATION", APP, LATER, name="firstname"), PORTAL, True),
        (held_with("INTEGRATION", APP, LATER, "b", "firstname"), PORTAL, False),
        (held_with("INTEGRATION", "9", BORN), PORTAL, False),
        (held_with("INTEGRATION", "9", LATER, name="firstname"), Portal("", PORTAL.writable, {}), True),
        (held_with("INTEGRATION", "9", LATER), Portal("", PORTAL.writable, {}), False),
        (held_with("UNKNOWN", "", BORN), PORTAL, False),
        (held_with("UNKNOWN", "", BORN, name="firstname"), PORTAL, True),
        (held_with("CRM_UI", "", LATER, "", "city"), PORTAL, False),  # cleared by somebody
    ],
)
def test_a_created_contact_is_kept_by_values_of_other_apps_and_of_later_jobs(held, portal, archived):
    assert plan(CREATED, held, portal).archive is archived


@pytest.mark.parametrize(
    ("between", "archived"),
    [
        (("CRM_UI", ""), False),
        (("INTEGRATION", "9"), False),
        (("IMPORT", ""), False),
        (("INTEGRATION", APP), True),
        (("CALCULATED", ""), True),
        (("DATA_ENRICHMENT", ""), True),
    ],
)
@pytest.mark.parametrize("last", [("INTEGRATION", APP), ("CALCULATED", "")])
def test_what_somebody_wrote_in_between_keeps_a_created_contact(between, archived, last):
    """A later row of the job, or HubSpot itself, has written over it."""
    versions = [
        Version("a", "2026-01-01T03:00:00.000Z", *last),
        Version("b", "2026-01-01T02:00:00.000Z", *between),
        Version("a", BORN, "INTEGRATION", APP),
    ]
    held = Result("7", False, "", {"firstname": "a"}, created=BORN, history={"firstname": versions})
    made = plan(CREATED, held, PORTAL)
    assert made.archive is archived
    assert [(one.now, one.source.split(" ")[0]) for one in made.findings] == (
        [] if archived else [("a", between[0])]
    )
    assert plan(CREATED, held, PORTAL, archive_touched=True).archive


def test_a_value_of_a_contact_that_others_created_first_is_listed_in_whatever_form_it_is_stored():
    """The job's write was confirmed, and nobody knows what was there before."""
    held = held_with("INTEGRATION", APP, LATER, "A (stored)", "firstname")
    overtaken = Trace(1, "7", False, True, {}, {"firstname": ["a"]}, was_overtaken=True)
    made = plan(overtaken, held, PORTAL)
    assert (made.outcome, [one.now for one in made.findings]) == (UndoOutcome.KEPT, ["A (stored)"])
    corrected = held_with("CRM_UI", "", LATER, "b", "firstname")
    assert plan(overtaken, corrected, PORTAL).outcome is UndoOutcome.AS_BEFORE


def test_a_lifecycle_stage_without_a_version_is_hubspots_own_default():
    """The job sent a lower one, which HubSpot does not take."""
    trace = replace(CREATED, sent={**CREATED.sent, "lifecyclestage": ["subscriber"]})
    held = held_with("INTEGRATION", APP, LATER, name="firstname")
    held = structs.replace(held, properties={"firstname": "a", "lifecyclestage": "lead"})
    assert plan(trace, held, PORTAL).archive
    assert not plan(trace, structs.replace(held, history={}), PORTAL).archive


def test_what_others_have_touched_is_archived_only_if_the_job_created_it():
    theirs = held_with("CRM_UI", name="firstname")
    assert not plan(CREATED, theirs, PORTAL).archive
    assert plan(CREATED, theirs, PORTAL, archive_touched=True).archive
    changed = Trace(1, "7", False, True, {"firstname": "b"}, {"firstname": ["a"]})
    assert plan(changed, theirs, PORTAL, archive_touched=True).outcome is UndoOutcome.KEPT
    stranger = {**theirs.properties, "hs_object_source": "FORM"}
    held = Result("7", False, "", stranger, created=BORN, history=theirs.history)
    assert plan(CREATED, held, PORTAL, archive_touched=True).outcome is UndoOutcome.KEPT


SINCE = replace(CREATED, absent_at=ABSENT_AT)
OURS = held_with("INTEGRATION", APP, LATER, "a", "firstname")


@pytest.mark.parametrize(
    ("trace", "held", "outcome"),
    [
        (SINCE, OURS, UndoOutcome.ARCHIVED),
        (CREATED, structs.replace(OURS, created=LONG_AGO), UndoOutcome.ARCHIVED),  # nobody knows since when
        (SINCE, structs.replace(OURS, created=LONG_AGO), UndoOutcome.GONE),
        (replace(SINCE, is_named=True), structs.replace(OURS, created=LONG_AGO), UndoOutcome.KEPT),
        (SINCE, held_with("INTEGRATION", APP, LONG_AGO, "a", "firstname"), UndoOutcome.KEPT),
        (SINCE, held_with("CALCULATED", "", LONG_AGO), UndoOutcome.ARCHIVED),  # such as a first visit
        (
            SINCE,
            structs.replace(OURS, properties={"firstname": "a", "hs_merged_object_ids": "5"}),
            UndoOutcome.KEPT,
        ),
        (
            SINCE,
            structs.replace(OURS, properties={"firstname": "a", "hs_all_contact_vids": "7;5"}),
            UndoOutcome.KEPT,
        ),
        (
            SINCE,
            structs.replace(OURS, properties={"firstname": "a", "hs_all_contact_vids": "7"}),
            UndoOutcome.ARCHIVED,
        ),
        (replace(SINCE, was_there=True), OURS, UndoOutcome.KEPT),
        (replace(SINCE, was_there=True, former={"firstname": "b"}), OURS, UndoOutcome.RESTORED),
    ],
)
def test_what_is_older_than_the_job_or_holds_another_contact_is_not_archived(trace, held, outcome):
    assert plan(trace, held, PORTAL).outcome is outcome


def test_what_was_before_an_early_value_of_an_old_version_is_not_taken_for_ours():
    """A later value of ours does not hide that there was an earlier one."""
    versions = [
        Version("a", LATER, "INTEGRATION", APP),
        Version("old", LONG_AGO, "INTEGRATION", APP),
    ]
    made = plan(SINCE, structs.replace(OURS, history={"firstname": versions}), PORTAL)
    assert [finding.why for finding in made.findings] == ["another contact was merged into it"]


@pytest.mark.parametrize("trace", [CREATED, Trace(1, "7", False, True, {"city": ""}, {"city": ["a"]})])
def test_a_contact_that_answers_under_another_id_was_merged_and_is_left_alone(trace):
    held = structs.replace(held_with("INTEGRATION", APP), id="9")
    made = plan(trace, held, PORTAL)
    assert (made.outcome, made.writes) == (UndoOutcome.GONE, False)
    assert [(finding.now, finding.why) for finding in made.findings] == [("9", MERGED_SINCE)]


def test_a_key_that_leads_to_an_older_contact_is_told():
    made = plan(SINCE, structs.replace(OURS, created=LONG_AGO), PORTAL)
    assert [finding.why for finding in made.findings] == [TAKEN_OVER]


def test_which_records_were_merged_into_one():
    listed = {"hs_merged_object_ids": "5;6", "hs_all_contact_vids": "7;5; 8", "x": "4"}
    assert merged_ids(structs.replace(OURS, properties=listed)) == {"5", "6", "8"}
    assert merged_ids(structs.replace(OURS, properties={"hs_merged_object_ids": None})) == set()


def test_a_value_of_ours_whose_former_one_is_not_known_is_told():
    """It came to a contact that was there by another key, or by a merge."""
    trace = Trace(1, "7", False, True, {"firstname": "b"}, {"firstname": ["a"], "city": ["a"]})
    assert wanted_history([trace], PORTAL) == ["city", "firstname"]
    both = structs.replace(
        OURS,
        properties={"firstname": "a", "city": "a"},
        history={name: [Version("a", LATER, "INTEGRATION", APP)] for name in ("firstname", "city")},
    )
    made = plan(trace, both, PORTAL)
    assert (made.outcome, dict(made.restore)) == (UndoOutcome.KEPT, {"firstname": "b"})
    assert [finding.property for finding in made.findings] == ["city"]
    theirs = {**both.history, "city": [Version("a", LATER, "CRM_UI", "")]}
    assert plan(trace, structs.replace(both, history=theirs), PORTAL).outcome is UndoOutcome.RESTORED


def test_a_stage_goes_back_by_way_of_none_and_is_found_half_way():
    trace = Trace(1, "7", False, True, {"lifecyclestage": "lead"}, {"lifecyclestage": ["customer"]})
    ours = held_with("INTEGRATION", APP, LATER, "customer", "lifecyclestage")
    made = plan(trace, ours, PORTAL)
    assert (made.clear_first, dict(made.restore)) == (True, {"lifecyclestage": "lead"})
    cleared = held_with("INTEGRATION", APP, LATER, "", "lifecyclestage")
    assert plan(trace, cleared, PORTAL).findings  # somebody else has cleared it, for all we know
    half = Trace(1, "7", False, True, trace.former, trace.sent, restoring=made.restore)
    again = plan(half, cleared, PORTAL)
    assert (again.clear_first, dict(again.restore)) == (False, {"lifecyclestage": "lead"})


def test_a_stage_that_a_workflow_took_further_is_not_ours():
    trace = Trace(1, "7", False, True, {"lifecyclestage": "lead"}, {"lifecyclestage": ["opportunity"]})
    further = held_with("", "", LATER, "customer", "lifecyclestage")
    assert plan(trace, further, PORTAL).outcome is UndoOutcome.KEPT


def test_a_property_that_can_not_be_written_any_more_is_told():
    trace = Trace(1, "7", False, True, {"size": "1"}, {"size": ["2"]})
    held = held_with("INTEGRATION", APP, LATER, "2", "size")
    made = plan(trace, held, Portal(APP, frozenset(), KINDS))
    assert [finding.why for finding in made.findings] == ["the property can no longer be written"]


def test_a_contact_that_is_another_s_is_written_back_where_it_was_there():
    """One of its keys led to nobody before, for it was taken on later."""
    trace = Trace(1, "7", True, True, {"city": "Ulm"}, {"city": ["a"]})
    held = held_with("INTEGRATION", APP)
    theirs = Result(
        "7", False, "", {**held.properties, "hs_object_source": "FORM"}, created=BORN, history=held.history
    )
    assert dict(plan(trace, theirs, PORTAL).restore) == {"city": "Ulm"}
    stranger = Trace(1, "7", True, False, {}, {"city": ["a"]})
    assert plan(stranger, theirs, PORTAL).outcome is UndoOutcome.KEPT


def test_the_history_of_all_that_can_be_written_is_wanted_only_of_created_contacts():
    changed = Trace(1, "7", False, True, {"city": ""}, {"city": ["a"]})
    assert wanted_history([changed], PORTAL) == ["city"]
    assert wanted_history([changed, CREATED], PORTAL) == sorted(NAMES)


@given(st.lists(st.tuples(st.sampled_from([BORN, LATER, "", "nonsense"]), st.text(max_size=3)), max_size=5))
@example([(BORN, "old"), (LATER, "new")])
def test_a_history_is_read_leniently_and_its_latest_found(versions):
    listed = [
        {"value": value, "timestamp": at, "sourceType": "CRM_UI", "sourceId": "x"} for at, value in versions
    ]
    body = {"results": [{"id": "1", "propertiesWithHistory": {"city": [*listed, 7], "odd": "x"}}]}

    (result,) = decode(200, {}, orjson.dumps(body)).results
    assert [version.value for version in result.history["city"]] == [value for _, value in versions]
    latest = result.latest("city")
    assert (latest is None) == (not versions)
    if latest and any(at == LATER for at, _ in versions):
        assert latest.timestamp == LATER
    assert result.latest("odd") is None


def test_requests_of_undo_are_encoded():

    body = orjson.loads(encode_read("", ["1"], ["a"], ["b"]))
    assert body == {"properties": ["a"], "propertiesWithHistory": ["b"], "inputs": [{"id": "1"}]}
    update = record(3, "7", id_property=OWN_ID, properties={"city": ""})
    assert orjson.loads(encode_updates([update]))["inputs"] == [
        {"id": "7", "objectWriteTraceId": "3", "properties": {"city": ""}}
    ]


def by_app(text, after_seconds, source_id=APP):
    at = datetime.fromtimestamp(READ_AT + after_seconds, UTC).isoformat()
    return Version(text, at, "INTEGRATION", source_id)


def respelled(text, *earlier, after_seconds=10.0, source_id=APP):
    """A contact whose city the job wrote after it had read it, and which HubSpot stored as `text`."""
    versions = [by_app(text, after_seconds, source_id), *earlier, Version("Ulm", LONG_AGO, "CRM_UI")]
    return Result("7", False, "", {"city": text}, created=LONG_AGO, history={"city": versions})


READ_AT = datetime.fromisoformat(BORN).timestamp()
WRITTEN = Trace(1, "7", False, True, {"city": "Ulm"}, {"city": ["St. Gallen"]}, readings=[(READ_AT, 5.0)])


@pytest.mark.parametrize(
    ("held", "trace", "is_restored"),
    [
        (respelled("Sankt Gallen"), WRITTEN, True),
        (respelled("st. gallen", after_seconds=1_000.0), WRITTEN, True),
        # Long after the reading the text has to show it.
        (respelled("Sankt Gallen", after_seconds=1_000.0), WRITTEN, False),
        (respelled("st. gallen", after_seconds=2_000.0), WRITTEN, False),
        # The same value was written again, by the job or another one.
        (respelled("st. gallen", by_app("st. gallen", 9.0)), WRITTEN, True),
        (respelled("Sankt Gallen", by_app("Sankt Gallen", 9.0), after_seconds=5_000.0), WRITTEN, True),
        (respelled("Sankt Gallen", by_app("Sankt Gallen", 900.0), after_seconds=950.0), WRITTEN, False),
        # Another job of the app has written it since.
        (respelled("Bern", Version("St. Gallen", BORN, "INTEGRATION", APP)), WRITTEN, False),
        (respelled("Sankt Gallen", source_id="9"), WRITTEN, False),
        # HubSpot may have stored nothing of a value that was there.
        (respelled("Bern"), replace(WRITTEN, sent={"city": ["Ulm"]}), False),
        (respelled("Bern"), replace(WRITTEN, sent={"city": ["a", "b"]}), False),
        (respelled("Bern"), replace(WRITTEN, readings=[]), False),
    ],
)
def test_the_history_shows_whose_a_value_is_that_hubspot_stored_in_another_form(held, trace, is_restored):
    made = plan(trace, held, PORTAL)
    assert dict(made.restore) == ({"city": "Ulm"} if is_restored else {})
    assert bool(made.findings) != is_restored


@pytest.mark.parametrize(("at", "archived"), [(BORN, True), (LATER, False)])
def test_the_first_values_of_a_created_contact_are_the_jobs_in_any_form(at, archived):
    held = held_with("INTEGRATION", APP, at, "A (stored)", "firstname")
    assert plan(CREATED, held, PORTAL).archive is archived
