"""The lines of the results file are those of `csv.writer`, whatever stands in them."""

import csv
import io

from hypothesis import given, strategies as st

from support.builders import record
from uploader.model.outcomes import Outcome
from uploader.model.records import Unsent, display_key
from uploader.model.rows import Fault
from uploader.model.settled_rows import Refusal, Settlement, note
from uploader.storage.results_file import result_lines

_TEXTS = (
    st.sampled_from(["a@b.de", "ann lee", 'say "so"', "a,b", "", "'", " x", "x\ny", "\r", "Zoë", "a;b"])
    | st.text()
)
_NAMES = st.sampled_from([["a.csv", "b.csv"], ["a.csv", "my, file.csv"], ['say "so".csv', "b.csv"]])


@st.composite
def _settlements(draw):
    position, key, source = draw(st.integers(0, 10**9)), draw(_TEXTS), draw(st.integers(0, 1))
    if draw(st.integers(0, 5)) == 0:
        faults = (Fault(draw(_TEXTS), "KEY"),)
        values = draw(st.sampled_from([(), ("email=a",), ("member=a",)]))
        unsent = Unsent(
            position, source, position + 2, key, values, Outcome.INVALID, "KEY", "no", b"", faults
        )
        return Settlement(unsent, Outcome.INVALID, refusal=Refusal("KEY", "no"))
    one = record(position, key, id_property=draw(st.sampled_from(["email", "email", "member"])))
    one.source = source
    if draw(st.integers(0, 5)) == 0:
        one.dropped = (Fault(draw(_TEXTS), "DATE", "born"),)
    refusal = draw(st.none() | st.none() | st.builds(Refusal, st.just("OTHER"), _TEXTS))
    return Settlement(one, draw(st.sampled_from(Outcome)), draw(_TEXTS), refusal=refusal)


@given(st.lists(_settlements(), max_size=6), _NAMES, st.booleans())
def test_lines_of_results_are_those_of_a_csv_writer(settled, names, has_notes):
    text = io.StringIO()
    for one in settled:
        row = one.record
        cells = [row.row, display_key(row.key, row.lock_keys, "email"), one.hubspot_id, one.outcome.value]
        cells += [names[row.source], *([note(one)] if has_notes else [])]
        csv.writer(text, lineterminator="\n").writerow(cells)
    lines = result_lines(settled, names, "email", has_notes=has_notes)
    assert "".join(lines) == text.getvalue()
    assert len(lines) == len(settled)
