"""A results file read as values."""

import pytest
from hypothesis import given, strategies as st

from support.builders import record
from uploader.errors import CheckpointError
from uploader.model.outcomes import Outcome
from uploader.model.records import lock_key
from uploader.model.settled_rows import Settlement
from uploader.storage.results_file import Extent, ResultsFile
from uploader.storage.rows_of_results import rows_of_results

NAMES, KEYS = ["a.csv", "b.csv"], ("email", "ext_id")
_TEXTS = st.text(
    st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), min_size=1, max_size=9
)


def _settlement(position, name, key, outcome, hubspot_id):
    one = record(position, key=key)
    one.id_property, one.source, one.lock_keys = name, position % 2, (lock_key(name, key),)
    return Settlement(one, outcome, hubspot_id)


def _written(path, settled):
    file = ResultsFile(path, Extent(), NAMES)
    extent = file.append([file.lines(settled)])
    file.close()
    return extent


@given(
    st.lists(
        st.tuples(st.sampled_from(KEYS), _TEXTS, st.sampled_from(list(Outcome)), st.sampled_from(["", "7"]))
    )
)
def test_every_line_gives_its_row_back(tmp_path_factory, rows):
    rows = [one for one in rows if not (one[0] == "email" and one[1].startswith("ext_id="))]
    settled = [_settlement(position, *one) for position, one in enumerate(rows)]
    path = tmp_path_factory.mktemp("results") / "a.csv.results.csv"
    extent = _written(path, settled) if settled else Extent()
    found = list(rows_of_results(path, extent, NAMES, KEYS))
    assert [(one.id_property, one.key, one.outcome, one.hubspot_id) for one in found] == rows
    assert [(one.source, one.row) for one in found] == [(s.record.source, s.record.row) for s in settled]


def test_a_line_of_an_unknown_source_is_refused(tmp_path):
    path = tmp_path / "a.csv.results.csv"
    extent = _written(path, [_settlement(0, "email", "a@x.com", Outcome.CREATED, "1")])
    with pytest.raises(CheckpointError, match="was changed since the job wrote it"):
        list(rows_of_results(path, extent, ["c.csv"], KEYS))
