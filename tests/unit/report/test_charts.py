"""Charts: whole markup whatever the numbers, time in order, and labels that nobody obeys."""

import math
from xml.etree import ElementTree as ET

from hypothesis import given, strategies as st

from uploader.report.charts import HEIGHT, WIDTH, Chart, Series, axis_of, round_up, steps_of

NUMBERS = st.one_of(st.none(), st.floats(0, 1e9, allow_subnormal=False))


@st.composite
def charts(draw):
    seconds = draw(st.sampled_from([1, 2, 64, 4096]))
    gaps = draw(st.lists(st.integers(1, 9), min_size=1, max_size=40))
    begins = [sum(gaps[: n + 1]) * seconds for n in range(len(gaps))]
    many = st.lists(NUMBERS, min_size=len(begins), max_size=len(begins))
    shade = Series("s", "paused", [min(1.0, value or 0) for value in draw(many)])
    return Chart(
        draw(st.text(max_size=20)),
        axis_of(begins, seconds),
        "<script>",
        areas=[Series("a", "good", draw(many)), Series("b", "bad", draw(many))],
        lines=[Series("c", "quota", draw(many))],
        shade=draw(st.sampled_from([None, shade])),
        value_text=lambda value: f"<{value}>",
    )


@given(charts())
def test_the_markup_is_whole_and_stays_within_its_frame(chart):
    text = chart.svg().translate(dict.fromkeys(range(32)))
    assert "<script>" not in text
    root = ET.fromstring(text.encode("utf-8", "ignore"))
    assert root.tag == "svg"
    for place in root.iter():
        for name in ("x", "x1", "x2"):
            assert -1 <= float(place.get(name, 0)) <= WIDTH + 1
        for name in ("y", "y1", "y2"):
            assert -1 <= float(place.get(name, 0)) <= HEIGHT + 1
    # Names and titles may be anything; numbers stand in attributes.
    numbers = " ".join(
        text for place in root.iter() for name, text in place.items() if name not in {"aria-label", "class"}
    )
    assert "nan" not in numbers
    assert "inf" not in numbers


@given(st.floats(1e-6, 1e12))
def test_a_scale_ends_at_a_round_number_that_nothing_exceeds(value):
    top = round_up(value)
    assert value <= top * (1 + 1e-6) <= value * 2.6
    step = top / steps_of(top)
    lead = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(lead - round_number) for round_number in (1, 2, 5, 10)) < 1e-6


def test_a_long_silence_is_cut_out_and_a_short_one_is_drawn():
    axis = axis_of([0, 10, 30, 1_000, 1_010], 10)
    assert axis.columns == {0: 0, 10: 1, 30: 3, 1_000: 4, 1_010: 5}
    assert list(axis.cuts) == [4]
    assert axis.count == 6
