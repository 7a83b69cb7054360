"""How numbers and texts of others read on a terminal."""

from hypothesis import given, strategies as st

from uploader.cli.text.numbers import about, percent
from uploader.model.foreign_texts import printable


@given(st.text("ab "), st.integers(10, 200))
def test_a_long_text_is_shortened_in_the_middle_and_a_long_name_at_its_end(text, limit):
    shown, line = printable(text * 9, limit), " ".join((text * 9).split())
    if len(line) <= limit:
        assert shown == line
    else:
        head, _, end = shown.partition("...")
        assert len(shown) == limit + len("...")
        assert line.startswith(head)
        assert line.endswith(end)
        assert bool(end) == (limit >= 100)


@given(st.integers(0, 10**10))
def test_an_estimate_is_told_to_three_figures_and_off_by_no_more_than_half_a_percent(count):
    shown = about(count)
    assert abs(int(shown.replace(",", "")) - count) <= count / 200
    assert len(shown.replace(",", "").rstrip("0")) <= 3


@given(st.integers(1, 10**9), st.data())
def test_a_hundred_percent_is_all_of_it(total, data):
    done = data.draw(st.integers(0, total) | st.integers(max(0, total - 3), total))
    shown = int(percent(done / total).removesuffix("%"))
    assert shown == done * 100 // total
