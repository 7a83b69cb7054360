"""What a mark keeps of the rows read so far."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from uploader.sources.sql.trail import Place, Trail, digest_of, read_place


@pytest.mark.parametrize(
    "key",
    [
        (1,),
        (-(2**70), "ü; \x00"),
        (Decimal("1.50"), 0.1),
        (datetime(2024, 1, 2, 3, 4, 5, 678, UTC), datetime.fromisoformat("2024-01-02"), date(2024, 1, 2)),
        (UUID(int=7),),
    ],
)
def test_a_place_is_read_back_as_it_was(key):
    place = Place(key, 3, "ab")
    again = read_place(place.text())
    assert again == place
    assert list(map(type, again.key)) == list(map(type, key))


@pytest.mark.parametrize("key", [(), (None,), (1, None), (Decimal("NaN"),), (b"x",), (True,), ([1],)])
def test_a_key_that_no_mark_can_keep_has_no_text(key):
    assert Place(key).text() == ""


@pytest.mark.parametrize("text", ["", "x", "[]", "[[], 1]", '[[["?", "1"]], 1, ""]', '[[["d", "x"]], 1, ""]'])
def test_what_is_no_place_is_read_as_none(text):
    assert read_place(text) is None


def test_the_hash_goes_on_from_a_mark_as_if_it_had_read_all():
    whole, first = Trail(), Trail()
    rows = [(b"a", (1,)), (b"b", (2,)), (b"c", (2,)), (b"d", (2,))]
    for row, key in rows:
        whole.add(row, key)
    for row, key in rows[:3]:
        first.add(row, key)
    rest = Trail(first.rows, first.digest, read_place(first.place.text()))
    rest.add(*rows[3])
    assert (rest.rows, rest.digest, rest.place) == (whole.rows, whole.digest, whole.place)
    assert rest.place == Place((2,), 3, digest_of([b"b", b"c", b"d"]))
