"""What was there before a job whose first write nobody knows of: what a history tells, and never a guess."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, strategies as st

from uploader.hubspot.replies import Version
from uploader.model.rows import Mark
from uploader.model.watermark import Progress, Resume
from uploader.storage.snapshot_entry_state import OpenReading, ReadingState, reading_state
from uploader.undo.value_before_job import (
    UNKNOWN,
    Absence,
    Answer,
    Creator,
    Doubt,
    Reading,
    find_creator,
    find_former,
)

APP = ("INTEGRATION", "1")
PERSON = ("CRM_UI", "7")
SENT = frozenset({"Bonn", "Köln"})
DAY = 1_767_225_600.0  # 2026-01-01


def version(value: str, at: float, source: tuple[str, str] = PERSON) -> Version:
    return Version(value, datetime.fromtimestamp(DAY + at, UTC).isoformat(), *source)


def ours(value: str, at: float) -> Version:
    return version(value, at, APP)


def is_of_app(one: Version) -> bool:
    return one.source == "INTEGRATION"


def is_ours(one: Version) -> bool:
    return is_of_app(one) and one.value in SENT


def seen(at: float, text: str, slack: float = 5.0) -> Reading:
    return Reading(DAY + at, text, slack)


def answer(doubt: Doubt, *history: Version, born_at: float | None = None) -> Answer:
    born = None if born_at is None else DAY + born_at
    return find_former(doubt, history, is_ours, is_of_app=is_of_app, born_at=born)


# --- what an earlier process left ---

PROGRESS = Progress(rows=50, watermark=10, ranges=((20, 25),), resume=Resume(8, 1, Mark(100, 30)))


@pytest.mark.parametrize(
    ("position", "state"),
    [
        (3, ReadingState.WRITTEN),  # settled
        (22, ReadingState.WRITTEN),
        (4, ReadingState.DOUBT),  # settled without an answer
        (15, ReadingState.DOUBT),  # open, and may have left
        (39, ReadingState.DOUBT),
        (40, None),  # can't have left
    ],
)
def test_a_reading_stands_is_in_doubt_or_was_for_nothing(position, state):
    kept = OpenReading(1, 1, position, 0, 0)
    assert reading_state(kept, PROGRESS, {4}, 40, is_complete=False, is_exact=True) is state


def test_after_a_power_cut_nothing_proves_that_a_row_did_not_leave():
    kept = OpenReading(1, 1, 45, 0, 0)
    assert reading_state(kept, PROGRESS, (), 40, is_complete=False, is_exact=False) is ReadingState.DOUBT


@pytest.mark.parametrize(
    ("source", "row", "is_complete", "state"),
    [
        (0, 99, False, ReadingState.WRITTEN),
        (1, 29, False, ReadingState.WRITTEN),
        (1, 30, False, ReadingState.DOUBT),
        (2, 1, False, ReadingState.DOUBT),
        (2, 1, True, ReadingState.WRITTEN),
    ],
)
def test_of_a_reading_without_a_position_its_row_tells(source, row, is_complete, state):
    kept = OpenReading(1, 1, None, source, row)
    assert reading_state(kept, PROGRESS, (), 40, is_complete=is_complete, is_exact=True) is state


# --- former values ---

AGAIN = Doubt(seen(100, "Ulm"), seen(9_000, "Trier"))


@pytest.mark.parametrize(
    ("doubt", "history", "text"),
    [
        # The first sending was lost: a person wrote between, and the second sending came upon that.
        (AGAIN, [version("Ulm", 0), version("Trier", 5_000), ours("Bonn", 9_001)], "Trier"),
        # It had arrived.
        (AGAIN, [version("Ulm", 0), ours("Bonn", 101), version("Trier", 5_000), ours("Bonn", 9_001)], "Ulm"),
        # A person wrote in the moment between the reading and the sending.
        (
            AGAIN,
            [version("Ulm", 0), version("Jena", 102), ours("Bonn", 103), version("Trier", 5_000)],
            "Jena",
        ),
        # By the same app, but not a value of the job's.
        (AGAIN, [version("Ulm", 0), version("Trier", 5_000, APP), ours("Bonn", 9_001)], "Trier"),
        (Doubt(seen(100, ""), seen(9_000, "Bonn")), [ours("Bonn", 101), ours("Bonn", 9_001)], ""),
        (Doubt(seen(100, ""), seen(9_000, "")), [ours("Bonn", 9_001)], ""),
        # A default of HubSpot's own has no version.
        (Doubt(seen(100, "lead"), seen(9_000, "lead")), [ours("Bonn", 9_001)], "lead"),
        (Doubt(seen(100, "Bonn"), seen(102, "Bonn")), [ours("Bonn", 101), ours("Bonn", 103)], "Bonn"),
        (Doubt(seen(100, "lead"), seen(9_000, "Bonn")), [ours("Bonn", 101), ours("Bonn", 9_001)], "lead"),
        # It arrived twice: what was before the first one counts.
        (AGAIN, [version("Ulm", 0), ours("Bonn", 101), ours("Bonn", 8_000), version("Trier", 8_500)], "Ulm"),
        # It arrived when it was sent by a reading in between.
        (
            Doubt(AGAIN.first, AGAIN.later, [(DAY + 7_000, 5.0)]),
            [version("Ulm", 0), ours("Bonn", 7_001), version("Trier", 8_500)],
            "Ulm",
        ),
        # It was not read again: undone after the kill, or there was nothing to send any more.
        (Doubt(seen(100, "Ulm")), [version("Ulm", 0), ours("Bonn", 101)], "Ulm"),
        (Doubt(seen(100, "Ulm")), [version("Ulm", 0), version("Trier", 5_000)], None),
        (Doubt(seen(100, "Ulm")), [version("Ulm", 0)], None),
    ],
)
def test_the_version_before_the_jobs_first_one_was_there_before(doubt, history, text):
    assert answer(doubt, *history) == Answer(is_known=True, text=text)
    assert answer(doubt, *reversed(history)) == Answer(is_known=True, text=text)


@pytest.mark.parametrize(
    ("doubt", "history"),
    [
        (AGAIN, []),  # it holds nothing of what was read
        (AGAIN, [version("Ulm", 0), Version("Trier", "", *PERSON)]),  # a version without a time
        (Doubt(seen(9_000, "Ulm")), [version("Ulm", 0), ours("Bonn", 101)]),  # a clock that is far off
        (
            Doubt(seen(100, "")),
            [ours("Bonn", 101 + n) for n in range(20)],  # the earliest may be cut off
        ),
        # Perhaps what was sent, in a form of HubSpot's own.
        (Doubt(seen(100, "Ulm")), [version("Ulm", 0), version("Bonn (DE)", 101, APP)]),
        (AGAIN, [version("Ulm", 0), version("Bonn (DE)", 101, APP), version("Trier", 5_000)]),
        # By another job of the same app, perhaps: long after it can have left.
        (Doubt(seen(100, "Ulm")), [version("Ulm", 0), ours("Bonn", 4_000)]),
        # Both are possible, and say otherwise.
        (
            Doubt(seen(100, "Ulm"), seen(104, "Ulm")),
            [version("Ulm", 99), version("Jena", 101), ours("Bonn", 102), version("Ulm", 103)],
        ),
    ],
)
def test_what_a_history_does_not_tell_is_not_guessed(doubt, history):
    assert answer(doubt, *history) == UNKNOWN


def test_what_its_creator_wrote_is_not_the_jobs():
    """Another job of the same app created it with a value that this one sends, too."""
    doubt = Doubt(seen(100, ""), seen(9_000, "Bonn"))
    history = [ours("Bonn", 5_000), ours("Bonn", 9_001)]
    assert answer(doubt, *history, born_at=5_000) == Answer(is_known=True, text="Bonn")
    # Without a version: a default of HubSpot's own, or what the job wrote at once.
    assert answer(doubt, ours("Bonn", 9_001), born_at=5_000) == UNKNOWN
    unset = Doubt(seen(100, ""), seen(9_000, ""))
    assert answer(unset, ours("Bonn", 9_001), born_at=5_000) == Answer(is_known=True, text="")


@st.composite
def courses(draw):
    """What truly happened to a value: the doubt, its history, and what was there before the job's first
    write, None where it never wrote.
    """
    steps = draw(
        st.lists(
            st.tuples(st.sampled_from(["Ulm", "Jena", ""]), st.floats(0.01, 4_000)), min_size=1, max_size=3
        )
    )
    at, history, value = 0.0, [], ""

    def others(count: int) -> None:
        nonlocal at, value
        for text, pause in draw(st.lists(st.sampled_from(steps), max_size=count)):
            at += pause
            history.append(version(text, at, draw(st.sampled_from([PERSON, APP]))))
            value = text

    def write() -> None:
        nonlocal at, value, before
        before = value if before is None else before
        at += draw(st.floats(0.01, 5.0))
        value = draw(st.sampled_from(sorted(SENT)))
        history.append(ours(value, at))

    before: str | None = None
    others(2)
    at += 1.0
    skew = draw(st.floats(-4.9, 4.9))
    first = seen(at + skew, value)
    others(1)
    if draw(st.booleans()):
        write()
    others(2)
    at += 1.0
    later = seen(at + skew, value)
    if draw(st.booleans()):
        return Doubt(first), history, before
    write()
    others(1)
    return Doubt(first, later), history, before


@given(courses())
@example((Doubt(seen(100, "Ulm")), [version("Ulm", 0), ours("Bonn", 101)], "Ulm"))
def test_an_answer_is_the_truth_or_none(course):
    doubt, history, before = course
    found = answer(doubt, *history)
    assert found in {UNKNOWN, Answer(is_known=True, text=before)}


@given(courses())
def test_a_value_that_others_do_not_write_is_always_known(course):
    doubt, history, before = course
    if all(is_ours(one) for one in history):
        assert answer(doubt, *history) == Answer(is_known=True, text=before)


# --- who created a contact ---

ROW = Absence(DAY + 100, {"firstname": "Ann", "city": "Bonn", "phone": ""}, "email")
SENT_ALL = {"firstname": {"Ann", "Eve"}, "city": {"Bonn"}}


def creator(born_at: float | None, absence: Absence = ROW, **history: list[Version]) -> Creator:
    return find_creator(
        absence,
        None if born_at is None else DAY + born_at,
        history,
        is_ours=lambda one: one.source == "INTEGRATION",
        is_stored=lambda _, text, one: one.value == text,
        is_sent=lambda name, one: one.value in SENT_ALL.get(name, ()),
    )


BORN = {"email": [ours("a@x.com", 101)], "firstname": [ours("Ann", 101)], "city": [ours("Bonn", 101)]}


@pytest.mark.parametrize(
    ("born_at", "changes", "found"),
    [
        (101, {}, Creator.JOB),
        (101, {"firstname": [ours("Ann", 101), version("Eva", 500)]}, Creator.JOB),  # changed since
        (101, {"hs_x": [version("1", 101, ("CALCULATED", ""))]}, Creator.JOB),
        (101, {"phone": [version("1", 200)]}, Creator.JOB),
        (101, {"city": [ours("Bonn (DE)", 101)]}, Creator.UNKNOWN),  # perhaps in a form of HubSpot's own
        (101, {"city": []}, Creator.OTHERS),
        (101, {"city": [ours("Bonn", 500)]}, Creator.OTHERS),  # written by the job, when it was there
        (101, {"city": [version("Bonn", 101)]}, Creator.OTHERS),
        (50, {}, Creator.OTHERS),  # the key came to it later
        (101, {"phone": [ours("1", 101)]}, Creator.UNKNOWN),  # not the row's, by the same app
        (101, {"city": [ours("Bonn", 101 + n) for n in range(20)]}, Creator.UNKNOWN),
        (None, {}, Creator.UNKNOWN),
    ],
)
def test_who_created_a_contact_is_told_by_what_it_held_first(born_at, changes, found):
    assert creator(born_at, **{**BORN, **changes}) is found


@pytest.mark.parametrize(("born_at", "found"), [(1_900, Creator.JOB), (2_000, Creator.OTHERS)])
def test_what_was_created_long_after_the_row_can_have_left_is_another_jobs(born_at, found):
    history = {name: [ours(one.value, born_at) for one in versions] for name, versions in BORN.items()}
    assert creator(born_at, **history) is found
