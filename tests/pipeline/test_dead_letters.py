"""What `failures` makes of a job's dead letters."""

import csv

from hub_transport import make_hub
from jobs import Job, contacts, write_csv

from uploader import cli


def listed(capsys, source, *options: str) -> list[dict[str, str]]:
    assert cli.run(["failures", f"{source}.checkpoint", *options]) == 0
    return list(csv.DictReader(capsys.readouterr().out.splitlines()))


def test_those_that_may_pass_as_they_are_are_parted_from_those_to_be_mended(tmp_path, capsys):
    rows = [*contacts(150), {"email": "nobody"}, {"email": ""}]
    faults = [
        {"kind": "status", "status": 500, "keys": ["c3@example.com"]},
        {"kind": "reject", "keys": ["c7@example.com"]},
    ]
    source = write_csv(tmp_path / "contacts.csv", rows)
    Job(source, make_hub(quota="none", faults=faults)).run_virtual()
    found = {
        kind: [
            (line["uploader_row"], line["uploader_outcome"])
            for line in listed(capsys, source, "--kind", kind)
        ]
        for kind in ("transient", "permanent", "all")
    }
    assert found["transient"] == [("5", "abandoned")]
    assert found["permanent"] == [("9", "rejected"), ("152", "invalid"), ("153", "invalid")]
    assert sorted(found["all"]) == sorted(found["transient"] + found["permanent"])


def test_of_several_of_one_key_all_but_the_last_are_superseded_whatever_their_kind(tmp_path, capsys):
    rows = contacts(120)
    rows[10] = {"email": "c5@example.com", "firstname": "second"}
    rows[20] = {"email": "C5@example.com", "firstname": "third"}
    fault = {"kind": "reject", "keys": ["c5@example.com"]}
    source = write_csv(tmp_path / "contacts.csv", rows)
    Job(source, make_hub(quota="none", faults=[fault])).run_virtual()
    letters = listed(capsys, source, "--kind", "permanent")
    assert [(one["uploader_row"], one["uploader_superseded"]) for one in letters] == [
        ("7", "12"),
        ("12", "22"),
        ("22", ""),
    ]
    assert [one["firstname"] for one in letters] == ["F5", "second", "third"]
