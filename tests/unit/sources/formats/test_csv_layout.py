"""What the head of a CSV file shows about its rows."""

from hypothesis import given, strategies as st

from uploader.sources.formats.csv_layout import Layout

PIECES = st.sampled_from([' "', '"', " ", ",", ";", "\u2192", "a"])
LINES = st.lists(st.lists(PIECES, max_size=6).map("".join), min_size=1, max_size=4)


@given(LINES, st.sampled_from(",;\u2192"), st.sampled_from(["\n", "\r\n"]))
def test_no_line_with_a_spaced_quote_is_missed_among_many(lines, delimiter, end):
    layout = Layout(delimiter, 2)
    if any(map(layout.has_spaced_quote, lines)):
        assert layout.may_have_spaced_quote(end.join(lines).encode())


@given(LINES)
def test_quotes_behind_a_blank_inside_cells_are_no_spaced_quotes(lines):
    layout = Layout(",", 2)
    if not any(map(layout.has_spaced_quote, lines)):
        assert not layout.may_have_spaced_quote("\n".join(lines).encode())
