"""What the head of a CSV file shows about its rows."""

import csv

from hypothesis import example, given, strategies as st

from uploader.sources.formats.csv_layout import Layout

PIECES = st.sampled_from(['"', '""', '","', '"",""', ' "', " ", ",", "a", "\r", "\u20ac"])
LINES = st.lists(PIECES, min_size=1, max_size=12).map("".join)


def cells_or_error(text, **options):
    try:
        return next(csv.reader((text,), strict=True, **options))
    except csv.Error as error:
        return str(error)


def row_alone(layout, text):
    """The cells as `csv.reader` finds them; None if they are no row as wide as the header."""
    found = cells_or_error(text)
    if layout.has_spaced_quote(text):
        spaced = cells_or_error(text, skipinitialspace=True)
        if isinstance(spaced, list) or spaced.startswith("unexpected end"):
            found = spaced
    is_row = isinstance(found, list) and len(found) == layout.width and (layout.width > 1 or text.strip())
    return found if is_row else None


#: Most lines of a file look like one of these.
ALIKE = st.sampled_from(['"a","b"', "a,b", '"",""', '"a"",","b"', '"a","\u20ac ""b"""', "", ","])


@given(st.lists(ALIKE | LINES | LINES.map(lambda text: f'"{text}"'), max_size=6), st.integers(1, 5))
@example(['"'], 1)
@example(['"a"",""b","c"', '"a"",b","c"'], 2)  # text behind a closing quote
@example(['"a"",""b","c"'], 3)  # two cells
@example(['"a","b', '"a","b"'], 2)
def test_lines_have_the_cells_that_a_csv_reader_finds_in_each(texts, width):
    layout = Layout(",", width)
    assert layout.rows_alone(texts) == [row_alone(layout, text) for text in texts]
