"""Postal codes that may have lost their zeros are found by what the others of the column look like."""

import pytest

from uploader.jobs.scans.postal_codes import PostalCodes, is_postal
from uploader.model.rows import Row


def codes(*slices):
    found = PostalCodes(most_examples=2)
    for texts in slices:
        found.add(texts, [Row(number, b"", []) for number in range(2, len(texts) + 2)])
    return found


@pytest.mark.parametrize(
    ("slices", "may_lack_zeros"),
    [
        ((["10115", "2134", "804", "94107"],), True),
        ((["10115"], ["2134"]), True),
        ((["2134"], ["10115"]), True),
        ((["10115", "2134", "02139"],), False),  # the zeros are kept: 2134 is of another country
        ((["2134"], ["01067", "10115"]), False),
        ((["2134", "8001"],), False),  # of Switzerland
        ((["10115", "94107", "", "AB1 2CD", "12"],), False),
        (([],), False),
    ],
)
def test_short_codes_among_whole_ones_without_a_leading_zero(slices, may_lack_zeros):
    assert codes(*slices).may_lack_zeros == may_lack_zeros


def test_the_first_of_them_are_named_with_their_rows():
    found = codes(["10115", "2134", "804", "1067"])
    assert (found.too_short, found.examples) == (3, [(3, "2134"), (4, "804")])


@pytest.mark.parametrize(
    "column", ["zip", "ZIP code", "Mailing Zip/Postal Code", "Postcode", "PLZ", "post_code"]
)
def test_columns_are_known_by_property_or_name(column):
    assert is_postal("", column)
    assert is_postal("zip", "x")
    assert not is_postal("city", "City")
