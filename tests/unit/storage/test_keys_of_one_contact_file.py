"""Which contacts the answers named: what was seen more than once is found again, contact by contact."""

import random
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from uploader.model.keys_of_one_contact import ConfirmedRow, UpdatedContacts
from uploader.storage import keys_of_one_contact_file as module
from uploader.storage.file_names import keys_of_one_contact_path
from uploader.storage.keys_of_one_contact_file import KeysOfOneContactFile, pack


def confirmed(position: int) -> ConfirmedRow:
    return ConfirmedRow(
        position, 0, position + 2, f"c{position}@x.com", (f"email=c{position}@x.com", "plan=ü")
    )


def found(keys_file: KeysOfOneContactFile) -> dict[str, list[UpdatedContacts]]:
    return dict(keys_file.repeated())


def test_of_a_batch_only_the_row_of_a_repeated_contact_is_found(tmp_path):
    keys_file = KeysOfOneContactFile(tmp_path / "c.checkpoint")
    first = UpdatedContacts(("1", "2", "3"), (confirmed(0), confirmed(1), confirmed(2)), is_paired=True)
    second = UpdatedContacts(("4", "2"), (confirmed(3), confirmed(4)), is_paired=True)
    keys_file.append([pack(first), pack(second)])
    assert found(keys_file) == {
        "2": [UpdatedContacts(("2",), (confirmed(1),)), UpdatedContacts(("2",), (confirmed(4),))]
    }
    keys_file.close()


def test_a_contact_that_one_answer_names_twice_is_found_with_both_rows(tmp_path):
    keys_file = KeysOfOneContactFile(tmp_path / "c.checkpoint")
    keys_file.append([pack(UpdatedContacts(("1", "1"), (confirmed(0), confirmed(1)), is_paired=True))])
    assert found(keys_file) == {
        "1": [UpdatedContacts(("1",), (confirmed(0),)), UpdatedContacts(("1",), (confirmed(1),))]
    }
    keys_file.close()


def test_rows_that_an_answer_does_not_name_stay_together(tmp_path):
    keys_file = KeysOfOneContactFile(tmp_path / "c.checkpoint")
    nameless = UpdatedContacts(("1", "2"), (confirmed(0), confirmed(1)))
    keys_file.append([pack(nameless), pack(UpdatedContacts(("2",), (confirmed(5),), is_paired=True))])
    assert found(keys_file) == {"2": [nameless, UpdatedContacts(("2",), (confirmed(5),))]}
    keys_file.close()


@pytest.mark.parametrize(("is_paired", "most"), [(True, 1), (False, 2)], ids=["paired", "nameless"])
def test_an_answer_is_decoded_no_more_often_for_each_contact_that_it_names(
    tmp_path, monkeypatch, is_paired, most
):
    """Each contact is updated twice: paired rows in another order, nameless ones in the same order."""
    monkeypatch.setattr(module, "_KEPT_ANSWERS", 2)
    decoded, decode = Counter(), KeysOfOneContactFile._reply
    monkeypatch.setattr(
        KeysOfOneContactFile, "_reply", lambda self, n: (decoded.update([n]), decode(self, n))[1]
    )
    first = list(range(1000))
    again = random.Random(1).sample(first, 1000) if is_paired else first
    contacts = [str(i) for i in first + again]
    answers = [
        UpdatedContacts(
            tuple(contacts[at : at + 20]), tuple(map(confirmed, range(at, at + 20))), is_paired=is_paired
        )
        for at in range(0, 2000, 20)
    ]
    keys_file = KeysOfOneContactFile(tmp_path / "c.checkpoint")
    keys_file.append(list(map(pack, answers)))
    positions = {
        hubspot_id: [[row.position for row in one.rows] for one in parts]
        for hubspot_id, parts in keys_file.repeated()
    }
    keys_file.close()
    assert len(positions) == 1000
    if is_paired:
        assert positions == {str(i): [[i], [1000 + again.index(i)]] for i in first}
    assert max(decoded.values()) <= most


def test_what_an_earlier_version_has_kept_is_read(tmp_path):
    keys_file = KeysOfOneContactFile(tmp_path / "c.checkpoint")
    keys_file.append([pack(UpdatedContacts(("1",), (confirmed(0),)))])
    keys_file.close()
    with (
        closing(sqlite3.connect(keys_of_one_contact_path(tmp_path / "c.checkpoint"))) as connection,
        connection,
    ):
        body = b'[["1"],[[7,0,9,"ann@x.com",["email=ann@x.com"]]]]'
        connection.execute("INSERT INTO answers (body) VALUES (?)", (body,))
    again = KeysOfOneContactFile(tmp_path / "c.checkpoint")
    _, later = found(again)["1"]
    assert later == UpdatedContacts(("1",), (ConfirmedRow(7, 0, 9, "ann@x.com", ("email=ann@x.com",)),))
    again.close()
