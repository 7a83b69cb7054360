"""`--add-to-list` as a user runs it: killed while records are put into the list, resumed, read, undone."""

import signal

from support.processes import kill, run, start, wait_until

ROWS = 300
NAME = "From the old CRM: 50/50 € + more"


def test_killed_while_the_list_is_filled_the_same_command_ends_it_and_undo_empties_it(tmp_path, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    rows = "".join(f"c{n}@x.com,F{n}\n" for n in range(ROWS))
    (tmp_path / "contacts.csv").write_text(f"email,firstname\n{rows}")
    job = ("--base-url", mock.url, "--rate", "1000/1", "--json")
    upload = ("upload", "contacts.csv", "--add-to-list", NAME, *job)

    hold = {"kind": "reset", "applied": True, "endpoint": "memberships"}
    mock.change_scenario({"faults": [hold]})  # the records are added, and no answer comes
    process = start(*upload, cwd=tmp_path)
    wait_until(lambda: len(members(mock)) == ROWS, process)
    assert kill(process, signal.SIGKILL).code == -signal.SIGKILL
    status = run("status", "contacts.csv.checkpoint", "--json", cwd=tmp_path)
    assert (status.summary["state"], status.summary["list"]["open"]) == ("stopped", ROWS)
    assert status.summary["open"] == 0

    mock.change_scenario({})
    ended = run(*upload, cwd=tmp_path)
    assert ended.code == 0, ended
    found = ended.summary["list"]
    assert (found["made"], found["added"], found["open"]) == (True, ROWS, 0)
    assert f"the records are put into the list '{NAME}' (id 1, {ROWS} members)" in ended.err
    undo = ("undo", "contacts.csv.checkpoint", "--base-url", mock.url, "--json", "--yes")
    undone = run(*undo, cwd=tmp_path)
    assert (undone.code, undone.summary["list"]["removed"]) == (0, ROWS), undone
    assert "the records themselves stay as they are" in undone.err
    assert all(one["deleted"] for one in mock.lists())


def test_with_a_snapshot_undo_takes_back_list_and_records(tmp_path, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    rows = "".join(f"c{n}@x.com,F{n}\n" for n in range(40))
    (tmp_path / "contacts.csv").write_text(f"email,firstname\n{rows}")
    project = f'source = ["contacts.csv"]\nsnapshot = true\nadd_to_list = "{NAME}"\n'
    (tmp_path / "job.toml").write_text(project)
    job = ("--base-url", mock.url, "--rate", "1000/1", "--json")
    uploaded = run("upload", "-f", "job.toml", *job, cwd=tmp_path)
    assert (uploaded.code, uploaded.summary["list"]["made"]) == (0, True), uploaded
    assert len(members(mock)) == 40
    undone = run("undo", "-f", "job.toml", "--base-url", mock.url, "--json", "--yes", cwd=tmp_path)
    assert (undone.code, undone.summary["archived"], undone.summary["list"]["gone"]) == (0, 40, True), undone
    assert all(one["deleted"] for one in mock.lists())
    assert all(one["archived"] for one in mock.contacts())
    purged = run("purge", "-f", "job.toml", "--yes", cwd=tmp_path)
    assert purged.code == 0
    assert not list(tmp_path.glob("*.list*"))


def test_the_undo_of_a_list_takes_back_nothing_of_another_job(tmp_path, hubspot_mock):
    """A snapshot and a list have one number, but the list is of the job after that of the snapshot."""
    mock = hubspot_mock(quota="100000/10")
    (tmp_path / "contacts.csv").write_text("email\n" + "".join(f"c{n}@x.com\n" for n in range(10)))
    upload = ("upload", "contacts.csv", "--base-url", mock.url)
    checkpoint = tmp_path / "contacts.csv.checkpoint"
    for options in (["--snapshot"], ["--restart", "--add-to-list", NAME], ["--add-to-list", "Another"]):
        ended = run(*upload, *options, cwd=tmp_path)
        assert ended.code == 0, ended
        if NAME in options:  # removed by hand
            for path in (checkpoint, *tmp_path.glob("contacts.csv.results*")):
                path.unlink()
    undo = ("undo", f"{checkpoint}.list.1", "--base-url", mock.url, "--json", "--yes")
    undone = run(*undo, cwd=tmp_path)
    assert (undone.code, undone.summary["list"]["removed"]) == (0, 10), undone
    assert not any(one["archived"] for one in mock.contacts())
    assert {one["name"] for one in mock.lists() if not one["deleted"]} == {"Another"}


def members(mock) -> list[str]:
    return next((one["members"] for one in mock.lists() if one["name"] == NAME), [])
