"""Keys that rows have linked, kept in the file of the keys of one contact."""

from contextlib import closing

from hypothesis import given, settings, strategies as st

from uploader.storage.keys_of_one_contact_file import MOST_LINKED, KeysOfOneContactFile

_ROWS = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=3, unique=True), max_size=12)


@settings(deadline=None)
@given(_ROWS)
def test_keys_are_linked_by_chains_of_rows(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("links") / "checkpoint"
    keys_file, sets = KeysOfOneContactFile(path), []
    for row in rows:
        keys_file.link(row)
        touched = [one for one in sets if one & set(row)]
        sets = [one for one in sets if one not in touched] + [set(row).union(*touched)]
    found = keys_file.linked("abcdefgh")
    assert {key: set(keys) for key, keys in found.items()} == {key: one for one in sets for key in one}
    keys_file.append([])
    keys_file.close()
    with closing(KeysOfOneContactFile(path)) as again:
        assert again.linked("abcdefgh") == found


def test_a_key_of_many_others_is_a_placeholder_and_links_no_more(tmp_path, closed_at_end):
    keys_file = closed_at_end(KeysOfOneContactFile(tmp_path / "checkpoint"))
    for number in range(100):
        keys_file.link(["email=none@none.com", f"external_id={number}"])
    found = keys_file.linked([f"external_id={number}" for number in range(100)])
    assert len(found) == MOST_LINKED - 1
    assert set(map(len, found.values())) == {MOST_LINKED}


def test_links_that_were_not_appended_are_gone_after_a_kill(tmp_path):
    keys_file = KeysOfOneContactFile(tmp_path / "checkpoint")
    keys_file.link("ab")
    keys_file.append([])
    keys_file.link("cd")
    keys_file.write_links()
    keys_file.close()
    with closing(KeysOfOneContactFile(tmp_path / "checkpoint")) as again:
        assert again.linked("abcd").keys() == {"a", "b"}
