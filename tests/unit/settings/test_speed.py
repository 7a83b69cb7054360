"""Durations as options spell them."""

import re

import pytest
from hypothesis import given, strategies as st

from uploader.errors import SettingsError
from uploader.settings.speed import parse_duration


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_a_duration_is_read_as_it_is_spelled(days, hours, minutes, seconds):
    text = f"{days}d{hours}h{minutes}m{seconds}s"
    assert parse_duration(text) == ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert parse_duration(re.sub(r"\b0[dhms]|(?<=[dhms])0[dhms]", "", text) or "0") == parse_duration(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5_400), ("2h30m", 9_000), ("45", 45), (" 1D ", 86_400)]
)
def test_durations_that_people_write(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1.5h", "30m2h", "-5", "2 h", "1w", "ten minutes"])
def test_a_text_that_is_no_duration_is_refused(text):
    with pytest.raises(SettingsError, match="--max-duration"):
        parse_duration(text)
