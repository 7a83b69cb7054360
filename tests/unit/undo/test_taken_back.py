"""Only what the history itself shows to be taken back is taken out of it."""

import pytest

from uploader.hubspot.replies import Result, Version
from uploader.undo.taken_back import OtherWrites, without_taken_back

OURS, USER = "INTEGRATION", "CRM_UI"


def left(*versions, others):
    """The values that are left of a history, given from the oldest on."""
    made = [
        Version(value, f"2026-01-01T00:00:{at:02}Z", source) for at, (value, source) in enumerate(versions)
    ]
    held = Result("1", history={"phone": tuple(reversed(made)), "city": ()})
    seen = without_taken_back(
        held, others, lambda one: one.source == OURS, lambda _, sent, held: sent == held
    )
    return [one.value for one in reversed(seen.history["phone"])]


def other(former, *sent, is_undone=True):
    return OtherWrites("other.checkpoint", is_undone, {"phone": former}, {"phone": sent})


P, Q, R, NONE = ("p", OURS), ("q", OURS), ("r", OURS), ("", OURS)
Q_BY_USER, P_BY_USER = ("q", USER), ("p", USER)


@pytest.mark.parametrize(
    ("versions", "others", "values"),
    [
        ([Q, NONE], [other("", "q")], []),
        ([P, Q, P], [other("p", "q")], ["p"]),
        ([P, Q, R, P], [other("p", "q", "r")], ["p"]),
        ([P, Q, P, Q, P], [other("p", "q", "p")], ["p"]),
        ([P, Q, R, Q, P], [other("q", "r"), other("p", "q")], ["p"]),
        ([P, Q, P, Q_BY_USER], [other("p", "q")], ["p", "q"]),
        ([P, Q, P, R], [other("p", "q")], ["p", "r"]),
        ([P, Q_BY_USER, P], [other("p", "q")], ["p", "q", "p"]),
        ([P, Q, P_BY_USER], [other("p", "q")], ["p", "q", "p"]),
        ([P, R, P], [other("p", "q")], ["p", "r", "p"]),
        ([R, Q, P], [other("p", "q")], ["r", "q", "p"]),
        ([P, Q, P], [other("p", "q", is_undone=False)], ["p", "q", "p"]),
        ([P, Q, P], [], ["p", "q", "p"]),
    ],
)
def test_a_round_trip_of_an_undone_job_is_taken_out_and_nothing_else(versions, others, values):
    assert left(*versions, others=others) == values
