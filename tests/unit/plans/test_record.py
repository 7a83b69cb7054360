"""The record of a plan: what is written is what is read, and nothing else is."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from uploader.plans.record import (
    COMPLETE,
    NOT_STARTED,
    RUNNING,
    STOPPED,
    Record,
    StepRecord,
    decoded,
    encoded,
    moved_steps,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
STATES = st.sampled_from([NOT_STARTED, RUNNING, STOPPED, COMPLETE])
CODES = st.none() | st.integers(0, 255)
STEPS = st.builds(StepRecord, *[TEXTS] * 7, STATES, CODES)


@given(TEXTS, st.lists(STEPS, max_size=4))
def test_a_record_is_read_as_it_was_written(portal, steps):
    record = Record(portal, steps)
    assert decoded(encoded(record)) == record


@given(st.binary(max_size=60) | st.sampled_from([b"{}", b"[]", b"7", b'{"plan_record": 2}']))
def test_other_bytes_are_no_record(data):
    with pytest.raises(ValueError, match=r"."):
        decoded(data)


@pytest.mark.parametrize("broken", ['"steps": 7', '"steps": [7]', '"steps": [{"name": "a"}]', '"portal": 7'])
def test_a_damaged_record_is_refused(broken):
    text = encoded(Record("7", [])).decode()
    key = broken.partition(":")[0]
    lines = [f"  {broken}," if line.strip().startswith(key) else line for line in text.splitlines()]
    with pytest.raises(ValueError, match=r"damaged|char"):
        decoded("\n".join(lines).replace(",\n}", "\n}").encode())


STEP = StepRecord("a", "deals", "a.csv.checkpoint", "")


def test_steps_with_another_checkpoint_are_found_by_name():
    moved = replace(STEP, checkpoint="b")
    assert moved_steps(Record("", [STEP]), [moved]) == [(STEP, moved)]
    assert moved_steps(Record("", [STEP]), [replace(STEP)]) == []
    assert moved_steps(Record("", [STEP]), [replace(moved, name="new")]) == []
