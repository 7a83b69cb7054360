"""What a summary says of links: one line, and counts that add up."""

from uploader.associations.link_progress import LinkProgress
from uploader.model.associations import LinkCounts, LinkOutcome


def _progress(read, **outcomes):
    return LinkProgress(LinkCounts(read, {LinkOutcome(name): n for name, n in outcomes.items()}))


def test_the_line_has_what_there_is():
    assert _progress(0).line == "links: none"
    one = _progress(60_003, linked=58_000, already=200, missing=1_800)
    assert one.line == "links: 58,000 linked, 200 already, 1,800 missing, 3 open"
    assert (one.open, one.failed) == (3, 1_800)


def test_the_list_is_named_where_it_has_something_to_tell():
    counts = LinkCounts(5, {LinkOutcome.LINKED: 4, LinkOutcome.PENDING: 1})
    assert LinkProgress(counts, 2, "a.links.csv").line == (
        "links: 4 linked, 1 pending; other records created: 2; see a.links.csv"
    )
    good = LinkCounts(5, {LinkOutcome.LINKED: 5})
    assert "see" not in LinkProgress(good, listed_in="a.links.csv").line


def test_all_outcomes_stand_in_the_json():
    assert _progress(3, linked=1).as_dict() == {
        "read": 3,
        "linked": 1,
        "already": 0,
        "missing": 0,
        "rejected": 0,
        "pending": 0,
        "open": 2,
        "others_created": 0,
    }
