"""What the head of a CSV file shows about its rows."""

import csv

from hypothesis import example, given, strategies as st

from uploader.sources.formats.csv_layout import Layout

PIECES = st.sampled_from(['"', '""', '","', '"",""', ' "', " ", ",", "a", "\r", "\u20ac"])
LINES = st.lists(PIECES, min_size=1, max_size=12).map("".join).filter(lambda text: '"' in text)


def cells_or_error(text, **options):
    try:
        return next(csv.reader((text,), strict=True, **options))
    except csv.Error as error:
        return str(error)


@given(LINES | LINES.map(lambda text: f'"{text}"'), st.integers(1, 5))
@example('"', 1)
@example('"a"",""b","c"', 3)  # two cells
@example('"a"",""b","c"', 2)
@example('"a"",b","c"', 2)  # text behind a closing quote
def test_a_quoted_row_has_the_cells_that_a_csv_reader_finds(text, width):
    layout = Layout(",", width)
    expected = cells_or_error(text)
    if layout.has_spaced_quote(text):
        spaced = cells_or_error(text, skipinitialspace=True)
        if isinstance(spaced, list) or spaced.startswith("unexpected end"):
            expected = spaced
    try:
        found = layout.cells(text)
    except csv.Error as error:
        found = str(error)
    assert found == expected
