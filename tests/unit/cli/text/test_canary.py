"""The last lines of a canary's review say what it comes to."""

import pytest

from uploader.canary.assessment import Occurrences, Review
from uploader.cli.text.canary import review_lines
from uploader.hubspot.object_types import noun
from uploader.model.outcomes import Outcome

REFUSED = {(Outcome.REJECTED, "no such option"): Occurrences(3, 7)}


@pytest.mark.parametrize(
    ("review", "wanted"),
    [
        (
            Review(rows=100, as_sent=90, adjusted=10),
            ["all 100 contacts that were written are as they were sent"],
        ),
        (
            Review(rows=100, as_sent=97, failed=REFUSED),
            ["NOT WRITTEN: 3 of 100 rows", "all 97 contacts that were written are as they were sent"],
        ),
        (
            Review(rows=100, as_sent=90, changed=6, different=3, missing=1),
            ["NOT AS SENT: 10 of 100 contacts"],
        ),
        (
            Review(rows=100, as_sent=96, changed=1, failed=REFUSED),
            ["NOT WRITTEN: 3 of 100 rows", "NOT AS SENT: 1 of 97 contacts"],
        ),
        (Review(rows=3, failed=REFUSED), ["NOT WRITTEN: 3 of 3 rows"]),
    ],
)
def test_refused_rows_are_told_from_changed_contacts(review, wanted):
    lines = review_lines(review, noun("contacts"))
    verdict = [line for line in lines if not line.startswith(("canary: ", "  "))]
    assert len(verdict) == len(wanted)
    assert all(line.startswith(start) for line, start in zip(verdict, wanted, strict=True))


def test_one_row_is_told_of_in_the_singular():
    assert review_lines(Review(rows=1, as_sent=1), noun("contacts")) == [
        "canary: 1 row sent, 1 contact read back: 1 as sent",
        "the contact that was written is as it was sent",
    ]
