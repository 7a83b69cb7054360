"""Columns without a property, from the draft of definitions to the undo of what was created."""

import json
import signal

import pytest

from support.processes import at_a_terminal, environment, kill, run, start, wait_until

RECORD = "new.toml.44237313.created.json"
ROWS = 250


def write_rows(folder):
    rows = [f"c{n}@x.com,{40 + n % 5},{n % 3 or ''},{('Web', 'Fair')[n % 2]}" for n in range(ROWS)]
    (folder / "rows.csv").write_text("\n".join(["Email,Shoe Size,Kids,Lead Source", *rows]) + "\n")


def test_from_the_draft_to_the_undo_of_upload_and_properties(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    write_rows(tmp_path)

    def uploader(*words):
        ended = run(*words, "--json", cwd=tmp_path, env=environment(HUBSPOT_BASE_URL=mock.url))
        return ended.code, ended.summary, ended.err

    code, summary, err = uploader("check", "rows.csv", "--write-properties", "new.toml")
    assert (code, [c["undecided"] for c in summary["columns"]]) == (2, [False, True, True, True])
    assert f"uploader create-properties new.toml --base-url {mock.url}" in err
    assert (tmp_path / "new.toml").stat().st_mode & 0o777 == 0o600
    text = (tmp_path / "new.toml").read_text()
    assert '# options = ["Fair", "Web"]' in text

    code, summary, err = uploader("create-properties", "new.toml")
    assert (code, summary["created"]) == (0, ["shoe_size", "kids", "lead_source"])
    assert f"uploader undo {RECORD} --base-url {mock.url}" in err

    assert uploader("create-properties", "new.toml")[1]["created"] == summary["created"]
    again = run("create-properties", "new.toml", "--base-url", mock.url, cwd=tmp_path)
    assert again.out.splitlines()[:2] == ["     0  created", "     3  created by an earlier run"]

    code, summary, _ = uploader("check", "rows.csv")
    assert (code, [c["type"] for c in summary["columns"]]) == (0, ["string", "number", "number", "string"])
    code, summary, _ = uploader("upload", "rows.csv", "--snapshot")
    assert (code, summary["created"]) == (0, ROWS)
    assert {one["properties"]["lead_source"] for one in mock.contacts()} == {"Web", "Fair"}
    code, summary, _ = uploader("verify", "rows.csv.checkpoint")
    assert (code, summary["equal"]) == (0, ROWS)

    code, summary, err = uploader("undo", RECORD)
    assert (code, summary["archived"]) == (1, [])
    assert summary["kept"]["shoe_size"] == "250 contacts have a value"
    assert "undo the uploads that wrote these values first" in err
    assert uploader("undo", "rows.csv.checkpoint")[0] == 0
    code, summary, _ = uploader("undo", RECORD, "--dry-run")
    assert (code, summary["left"]) == (0, ["shoe_size", "kids", "lead_source"])
    code, summary, _ = uploader("undo", RECORD)
    assert (code, summary["archived"]) == (0, ["shoe_size", "kids", "lead_source"])
    assert run("properties", "shoe", "--base-url", mock.url, cwd=tmp_path).code == 1


def test_after_a_kill_the_same_command_creates_the_rest(tmp_path, hubspot_mock):
    fault = {"kind": "delay", "seconds": 3_600, "endpoint": "create_properties", "requests": [2, 2]}
    mock = hubspot_mock(scenario={"faults": [fault]})
    tables = [
        f'[[property]]\nname = "p{n}"\nlabel = "P{n}"\ntype = "string"\ngroup = "contactinformation"\n'
        for n in range(250)
    ]
    (tmp_path / "new.toml").write_text("\n".join(tables))
    words = ("create-properties", "new.toml", "--base-url", mock.url, "--json")
    process = start(*words, cwd=tmp_path)
    wait_until(lambda: sum(one["path"].endswith("batch/create") for one in mock.log()) >= 2, process)
    assert kill(process, signal.SIGKILL).code == -signal.SIGKILL
    ended = run(*words, cwd=tmp_path)
    assert (ended.code, len(ended.summary["created"]), ended.summary["left"]) == (0, 250, [])
    states = {one["state"] for one in json.loads((tmp_path / RECORD).read_text())["properties"]}
    assert states == {"created"}


@pytest.mark.parametrize(("typed", "expected"), [("y", 0), ("n", 2)])
def test_on_a_terminal_it_asks(tmp_path, hubspot_mock, typed, expected):
    mock = hubspot_mock(scenario={"account": {"account_type": "STANDARD"}})
    definition = '[[property]]\nname = "a"\nlabel = "Tag"\ntype = "string"\ngroup = "contactinformation"\n'
    (tmp_path / "new.toml").write_text(definition)
    words = ("create-properties", "new.toml", "--base-url", mock.url)
    ended = run(*words, cwd=tmp_path)
    assert (ended.code, "add --portal 44237313" in ended.err) == (2, True)
    code, seen = at_a_terminal(tmp_path, f"{typed}\n", *words)
    assert (code, "[y/N]" in seen) == (expected, True)
    assert "Tag" in seen
    assert (tmp_path / RECORD).exists() is (expected == 0)
    if expected == 0:
        code, seen = at_a_terminal(tmp_path, "y\n", "undo", RECORD, "--base-url", mock.url)
        assert (code, "archive 1 property in account 44237313" in seen) == (0, True)


def test_mistakes_are_refused_before_anything_is_asked(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    (tmp_path / "new.toml").write_text('[[property]]\nname = "A"\n')
    ended = run("create-properties", "new.toml", "--base-url", mock.url, cwd=tmp_path)
    assert (ended.code, "new.toml: " in ended.err, "a name has only lower-case letters" in ended.err) == (
        2,
        True,
        True,
    )
    write_rows(tmp_path)
    ended = run("check", "rows.csv", "--write-properties", "new.toml", "--base-url", mock.url, cwd=tmp_path)
    assert (ended.code, "the file exists" in ended.err) == (2, True)
    without_token = {**environment(), "HUBSPOT_ACCESS_TOKEN": ""}
    ended = run("check", "rows.csv", "--write-properties", "x.toml", cwd=tmp_path, env=without_token)
    assert (ended.code, "--write-properties needs the account" in ended.err) == (2, True)
    assert mock.log() == []
