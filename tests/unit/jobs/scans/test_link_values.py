"""The values of link columns, counted."""

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from uploader.jobs.scans.link_values import LinkValues, MissingEnd
from uploader.model.associations import LinkColumn, LinkValue, RowLinks

_COLUMNS = (
    LinkColumn("Account", "companies", "sf_id"),
    LinkColumn("Deal", "deals", "hs_object_id"),
    LinkColumn("Partner", "companies", "sf_id", "Partner"),
)


@pytest.fixture
def values(tmp_path):
    with LinkValues(tmp_path, _COLUMNS) as made:
        yield made


def _row(*values):
    return RowLinks(0, 0, 2, "email", "a@x.com", tuple(LinkValue(column, 0, *one) for column, *one in values))


def test_the_most_frequent_values_come_first_once_for_all_columns_of_a_kind(values):
    values.add([_row((0, "A1"), (1, "7")), _row((0, "a1 "), (2, "B2"))])
    values.add([_row((2, "B2")), _row((2, "B2"), (0, "C3"))])
    values.list_ends()
    assert [(one.name, one.value) for one in values.ends(0, 0, 2)] == [("=b2", "B2"), ("=a1", "A1")]
    last = values.ends(0, 0, 2)[-1].id
    assert [one.value for one in values.ends(0, last, 9)] == ["C3"]
    assert [one.value for one in values.ends(1, 0, 9)] == ["7"]
    assert values.ends(2, 0, 9) == []


def test_what_is_missing_is_told_by_column(values):
    values.add([_row((0, "A1"), (2, "B2")), _row((0, "B2")), _row((0, "B2")), _row((0, "C3"))])
    values.list_ends()
    values.note(0, {"=a1": "", "=b2": "no company B2"})
    assert (values.listed, values.noted) == (3, 2)
    account, deal, partner = values.counts(5)
    assert (account.links, account.values, account.missing, account.missing_values) == (4, 3, 2, 1)
    assert account.most_missing == [MissingEnd("B2", 2, "no company B2")]
    assert (account.unknown, partner.missing, partner.unknown, deal.links) == (1, 1, 0, 0)


def test_values_that_name_no_record_are_not_looked_up(values):
    values.add([_row((1, "x", "is no id")), _row((1, "y", "is no id")), _row((1, "7"))])
    values.list_ends()
    assert [one.value for one in values.ends(1, 0, 9)] == ["7"]
    _, deal, _ = values.counts(5)
    assert (deal.links, deal.values, deal.faults, deal.fault) == (3, 1, 2, "is no id")


@given(
    st.lists(st.tuples(st.sampled_from([0, 2]), st.sampled_from(["a", "A", "b", "c"]))),
    st.sets(st.sampled_from("abc")),
)
def test_the_sums_add_up_whatever_is_missing(tmp_path_factory, links, missing):
    with LinkValues(tmp_path_factory.getbasetemp(), _COLUMNS) as values:
        for one in links:
            values.add([_row(one)])
        values.list_ends()
        values.note(0, {f"={name}": "gone" if name in missing else "" for name in "ab"})
        for number, found in enumerate(values.counts(9)):
            mine = Counter(value.lower() for column, value in links if column == number)
            assert found.links == mine.total()
            assert found.missing == sum(mine[one] for one in missing & {"a", "b"})
            assert found.unknown == mine["c"]
            assert {one.value.lower(): one.links for one in found.most_missing} == {
                one: mine[one] for one in missing & {"a", "b"} & mine.keys()
            }
