"""How a summary reads on a terminal."""

import pytest

from uploader.associations.link_progress import LinkProgress
from uploader.cli.text.summary import summary_text
from uploader.jobs.summary import Summary
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import ONLY, Tallies


def test_rows_that_were_skipped_are_counted_by_their_reason():
    tallies = Tallies(rows=6, skips={"SUPPRESSED": 3, "DUPLICATE": 2, ONLY: 1})
    tallies.outcomes[Outcome.SKIPPED] = 6
    text = summary_text(Summary(tallies, "complete"))
    for part in (
        "  3: suppressed",
        "  2: another row has the same key",
        "  1: the record exists",
    ):
        assert part in text
    assert Summary(tallies, "complete").as_dict()["skipped_because"] == {
        "DUPLICATE": 2,
        ONLY: 1,
        "SUPPRESSED": 3,
    }


@pytest.mark.parametrize(
    ("batches", "shown"),
    [
        ({}, "; batches 0; "),
        ({"COMPLETE": 1_200}, "; batches 1,200; "),
        ({"COMPLETE": 1_198, "PENDING": 2}, "; batches 1,200, of them 2 PENDING; "),
    ],
)
def test_batches_are_a_count_and_a_stopped_job_is_not_called_complete(batches, shown):
    text = summary_text(Summary(Tallies(batches=batches), "stopped", "Ctrl-C"))
    assert shown in text
    assert "COMPLETE" not in text


@pytest.mark.parametrize(("state", "said"), [("stopped", "links: not begun"), ("complete", "links: none")])
def test_links_of_a_job_that_is_stopped_are_not_begun(state, said):
    summary = Summary(Tallies(rows=5), state, follow_ups={"links": LinkProgress()})
    assert said in summary_text(summary)
