"""Which contacts the answers named: what was seen more than once is found again, contact by contact."""

import sqlite3
from contextlib import closing

from uploader.model.keys_of_one_contact import Seen, Sighting
from uploader.storage.file_names import sightings_path
from uploader.storage.keys_of_one_contact_file import Sightings, pack


def seen(position: int) -> Seen:
    return Seen(position, 0, position + 2, f"c{position}@x.com", (f"email=c{position}@x.com", "plan=ü"))


def found(sightings: Sightings) -> dict[str, list[Sighting]]:
    return dict(sightings.repeated())


def test_of_a_batch_only_the_row_of_a_repeated_contact_is_found(tmp_path):
    sightings = Sightings(tmp_path / "c.checkpoint")
    first = Sighting(("1", "2", "3"), (seen(0), seen(1), seen(2)), is_paired=True)
    second = Sighting(("4", "2"), (seen(3), seen(4)), is_paired=True)
    sightings.append([pack(first), pack(second)])
    assert found(sightings) == {"2": [Sighting(("2",), (seen(1),)), Sighting(("2",), (seen(4),))]}
    sightings.close()


def test_a_contact_that_one_answer_names_twice_is_found_with_both_rows(tmp_path):
    sightings = Sightings(tmp_path / "c.checkpoint")
    sightings.append([pack(Sighting(("1", "1"), (seen(0), seen(1)), is_paired=True))])
    assert found(sightings) == {"1": [Sighting(("1",), (seen(0),)), Sighting(("1",), (seen(1),))]}
    sightings.close()


def test_rows_that_an_answer_does_not_name_stay_together(tmp_path):
    sightings = Sightings(tmp_path / "c.checkpoint")
    nameless = Sighting(("1", "2"), (seen(0), seen(1)))
    sightings.append([pack(nameless), pack(Sighting(("2",), (seen(5),), is_paired=True))])
    assert found(sightings) == {"2": [nameless, Sighting(("2",), (seen(5),))]}
    sightings.close()


def test_what_an_earlier_version_has_kept_is_read(tmp_path):
    sightings = Sightings(tmp_path / "c.checkpoint")
    sightings.append([pack(Sighting(("1",), (seen(0),)))])
    sightings.close()
    with closing(sqlite3.connect(sightings_path(tmp_path / "c.checkpoint"))) as connection, connection:
        body = b'[["1"],[[7,0,9,"ann@x.com",["email=ann@x.com"]]]]'
        connection.execute("INSERT INTO answers (body) VALUES (?)", (body,))
    again = Sightings(tmp_path / "c.checkpoint")
    _, later = found(again)["1"]
    assert later == Sighting(("1",), (Seen(7, 0, 9, "ann@x.com", ("email=ann@x.com",)),))
    again.close()
