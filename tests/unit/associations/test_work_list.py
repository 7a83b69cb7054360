"""The order of links: whatever runs side by side, the account ends as if they were made one at a time."""

import tempfile
from pathlib import Path

from hypothesis import given, settings, strategies as st

from support.builders import record
from support.links.runs import apply
from uploader.associations.work_list import WorkList, bearer
from uploader.model.associations import AssociationType, LinkColumn, LinkOutcome, LinkValue, RowLinks
from uploader.model.outcomes import Outcome
from uploader.model.records import OWN_ID
from uploader.model.settled_rows import Settlement
from uploader.storage.associations_file import AssociationsFile

_COLUMNS = [
    LinkColumn("a", "companies", OWN_ID, separator=";"),
    LinkColumn("b", "companies", OWN_ID, label="Primary", separator=";"),
    LinkColumn("c", "companies", OWN_ID, label="Partner"),
    LinkColumn("d", "deals", OWN_ID),
]
_TYPES = [
    AssociationType("HUBSPOT_DEFINED", 279, ""),
    AssociationType("HUBSPOT_DEFINED", 1, "Primary"),
    AssociationType("USER_DEFINED", 36, "Partner"),
    AssociationType("HUBSPOT_DEFINED", 4, ""),
]


def _by_column(values):
    return sorted(values, key=lambda one: one[0])


_values = st.tuples(st.integers(0, 3), st.integers(1, 4))
#: For each row the contact, and the columns and companies of its links.
_rows = st.lists(
    st.tuples(st.integers(1, 3), st.lists(_values, max_size=4).map(_by_column)), min_size=1, max_size=12
)


def _file(rows, folder):
    file = AssociationsFile(Path(folder) / "a.checkpoint")
    file.create({"job": "job"}, _COLUMNS)
    for position, (_, values) in enumerate(rows):
        links = tuple(LinkValue(column, at, str(to)) for at, (column, to) in enumerate(values))
        if links:
            file.add([RowLinks(position, 0, position + 2, "email", f"{position}@x.com", links)])
    file.commit(
        [Settlement(record(at), Outcome.UPDATED, str(contact)) for at, (contact, _) in enumerate(rows)]
    )
    return file


def _wanted(rows, kind):
    return [
        (str(contact), str(to), _TYPES[column].label)
        for contact, values in rows
        for column, to in values
        if (_COLUMNS[column].object_type == "companies") is (kind == "companies")
    ]


@given(_rows, st.integers(1, 4), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=25)
def test_links_of_one_wave_may_be_made_in_any_order(rows, most, chance):
    with tempfile.TemporaryDirectory() as folder:
        file = _file(rows, folder)
        try:
            work = WorkList(file, "contacts", _COLUMNS, _TYPES)
            work.begin()
            after = -1
            while (after := work.apply_rows(after)) is not None:
                pass
            made, planned = {"companies": {}, "deals": {}}, []
            for wave in work.plan():
                links = []
                while batch := work.next_batch(wave, most):
                    assert len(batch) <= most
                    links += [one.link for one in batch]
                pairs = [one.pair for one in links]
                assert len(set(pairs)) == len(pairs), "a wave joins two records twice"
                chance.shuffle(links)
                held = made[wave.object_type]
                made[wave.object_type] = apply(
                    held,
                    [(*one.pair, one.type.label) for one in links],
                    has_primary=wave.object_type != "deals",
                )
                work.settle(links, (), ())
                planned += links
            assert len({one.id for one in planned}) == len(planned)
            work.settle_repeats()
            counts = file.counts()
            assert counts.open == 0
            assert counts.outcomes[LinkOutcome.LINKED] == len(planned)
            assert made["companies"] == apply({}, _wanted(rows, "companies"))
            assert made["deals"] == apply({}, _wanted(rows, "deals"), has_primary=False)
        finally:
            file.close()


def test_the_end_that_has_one_primary_company_is_the_one_that_is_none():
    assert bearer("contacts", "companies") == bearer("0-3", "0-2") == "from"
    assert bearer("companies", "tickets") == "to"
    assert bearer("companies", "companies") == bearer("contacts", "deals") == ""
