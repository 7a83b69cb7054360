"""What can go wrong at the start: one clear line, the right exit code, no traceback, nothing written."""

import gzip
from pathlib import Path

import pytest

from support.processes import TOKEN, Ended, environment, run

GOOD = "email,firstname\n" + "".join(f"c{i}@example.com,F{i}\n" for i in range(50))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.csv").write_text(GOOD)
    return tmp_path


def is_one_clear_line(ended: Ended, code: int, *words: str) -> None:
    assert ended.code == code, ended
    assert "Traceback" not in ended.err + ended.out
    lines = [line for line in ended.err.splitlines() if line.startswith(("uploader:", "stopped:"))]
    assert len(lines) == 1, ended.err
    for word in words:
        assert word in lines[0]
    assert TOKEN not in ended.err + ended.out


SOURCES = {
    "missing": (None, ["no such file"]),
    "empty": (b"", ["is empty"]),
    "header only": (b"email,firstname\n", ["no rows"]),
    "binary": (bytes(range(256)) * 20, ["binary"]),
    "Latin-1": ("email,firstname\na@x.com,Jörg\nb@x.com,Zoë\n".encode("latin-1"), ["UTF-8", "--encoding"]),
    "no key column": (b"name,firstname\na,b\n", ["email", "--map"]),
    "unknown property": (b"email,nosuch\na@x.com,b\n", ["nosuch", "--ignore"]),
    "read-only property": (b"email,createdate\na@x.com,2020-01-01\n", ["createdate", "--ignore"]),
    "a spreadsheet": (b"PK\x03\x04" + bytes(500), ["ZIP", "damaged"]),
}


@pytest.mark.parametrize(("content", "words"), SOURCES.values(), ids=SOURCES.keys())
def test_a_source_that_cannot_be_used(folder, hubspot_mock, content, words):
    if content is not None:
        (folder / "source").write_bytes(content)
    mock = hubspot_mock()
    is_one_clear_line(run("upload", "source", "--base-url", mock.url, cwd=folder), 2, *words)
    assert mock.stats()["upserts"] == 0
    assert not list(folder.glob("source.*"))


def test_a_cut_archive_is_sent_as_far_as_it_goes_and_says_so(folder, hubspot_mock):
    text = "email,firstname\n" + "".join(f"c{i}@example.com,{i * 7919 % 10_007}\n" for i in range(20_000))
    packed = gzip.compress(text.encode())
    (folder / "cut.csv.gz").write_bytes(packed[: len(packed) // 2])
    mock = hubspot_mock(quota="100000/10")
    ended = run("upload", "cut.csv.gz", "--base-url", mock.url, cwd=folder)
    is_one_clear_line(ended, 78, "gzip", "ends in the middle")
    assert len(mock.contacts()) > 1_000


def test_a_directory_is_no_source(folder):
    is_one_clear_line(run("upload", ".", cwd=folder), 2, "directory")


USAGE = {
    "no source": ([], ["SOURCE"]),
    "rate": (["good.csv", "--rate", "abc"], ["--rate", "190/10"]),
    "unknown option": (["good.csv", "--nope"], ["--nope"]),
    "failures": (["good.csv", "--max-failures", "many"], ["--max-failures"]),
    "plain http": (["good.csv", "--base-url", "http://api.hubapi.com"], ["unencrypted"]),
    "record id": (["good.csv", "--match", "id,email"], ["--id-property id alone"]),
    "stdin": (["-"], ["--checkpoint"]),
    "map": (["good.csv", "--map", "firstname"], ["--map"]),
    "token file": (["good.csv", "--token-file", "nowhere"], ["nowhere"]),
}


@pytest.mark.parametrize(("options", "words"), USAGE.values(), ids=USAGE.keys())
def test_a_command_line_that_cannot_be_used(folder, options, words):
    is_one_clear_line(run("upload", *options, cwd=folder), 2, *words)


def test_no_token(folder):
    env = environment()
    del env["HUBSPOT_ACCESS_TOKEN"]
    is_one_clear_line(
        run("upload", "good.csv", cwd=folder, env=env), 2, "HUBSPOT_ACCESS_TOKEN", "--token-file"
    )


ACCOUNTS = {
    "bad token": ({"auth": {"tokens": ["another"]}}, ["token"]),
    "missing scope": ({"auth": {"scopes": ["oauth", "crm.schemas.contacts.read"]}}, ["scope"]),
    "no scope at all": ({"auth": {"scopes": []}}, ["scope"]),
}


@pytest.mark.parametrize(("scenario", "words"), ACCOUNTS.values(), ids=ACCOUNTS.keys())
def test_a_token_that_cannot_do_it(folder, hubspot_mock, scenario, words):
    mock = hubspot_mock(scenario=scenario)
    is_one_clear_line(run("upload", "good.csv", "--base-url", mock.url, cwd=folder), 2, *words)
    assert mock.contacts() == []


@pytest.mark.parametrize(
    ("name", "word"),
    [("nosuch", "no property of contacts with that name"), ("firstname", "not a unique property")],
)
def test_an_id_property_that_cannot_be_one(folder, hubspot_mock, name, word):
    ended = run("upload", "good.csv", "--id-property", name, "--base-url", hubspot_mock().url, cwd=folder)
    is_one_clear_line(ended, 2, word)


def test_a_base_url_with_a_wrong_path_is_refused(folder, hubspot_mock):
    ended = run("upload", "good.csv", "--base-url", f"{hubspot_mock().url}/nowhere", cwd=folder)
    is_one_clear_line(ended, 2, "404", "--base-url")


def test_a_server_that_refuses_connections_ends_with_75(folder):
    ended = run("upload", "good.csv", "--base-url", "http://127.0.0.1:9", cwd=folder)
    is_one_clear_line(ended, 75, "127.0.0.1", "again")


def test_a_checkpoint_of_another_file(folder, hubspot_mock):
    url = hubspot_mock().url
    assert run("upload", "good.csv", "--base-url", url, cwd=folder).code == 0
    (folder / "other.csv").write_text(GOOD + "z@example.com,Z\n")
    ended = run("upload", "other.csv", "--checkpoint", "good.csv.checkpoint", "--base-url", url, cwd=folder)
    is_one_clear_line(ended, 2, "another file", "--restart")


@pytest.mark.parametrize("damage", [b"garbage", b"SQLite format 3\0" + bytes(4_096)], ids=["text", "zeros"])
def test_a_damaged_checkpoint(folder, hubspot_mock, damage):
    url = hubspot_mock().url
    assert run("upload", "good.csv", "--base-url", url, cwd=folder).code == 0
    (folder / "good.csv.checkpoint").write_bytes(damage)
    is_one_clear_line(run("upload", "good.csv", "--base-url", url, cwd=folder), 2, "checkpoint", "--restart")
    assert run("upload", "good.csv", "--base-url", url, "--restart", cwd=folder).code == 0


@pytest.mark.parametrize(
    ("half", "way_out"),
    [("good.csv.checkpoint", "--restart"), ("good.csv.results.csv", "--accept-changed-results")],
)
def test_a_checkpoint_or_results_file_that_is_missing_is_refused(folder, hubspot_mock, half, way_out):
    url = hubspot_mock(scenario={"faults": [{"kind": "status", "status": 403, "requests": [2, 99]}]}).url
    (folder / "good.csv").write_text(GOOD * 4)
    run("upload", "good.csv", "--base-url", url, cwd=folder)
    assert (folder / "good.csv.results.csv").stat().st_size
    (folder / half).unlink()
    is_one_clear_line(run("upload", "good.csv", "--base-url", url, cwd=folder), 2, "results", way_out)


def test_a_folder_that_cannot_be_written(folder, hubspot_mock):
    # /proc is a read-only mount wherever the tests run, for root too.
    ended = run(
        "upload",
        "good.csv",
        "--checkpoint",
        "/proc/job.checkpoint",
        "--base-url",
        hubspot_mock().url,
        cwd=folder,
    )
    is_one_clear_line(ended, 2, "--checkpoint")


def test_status_and_failures_without_a_checkpoint_are_refused(folder):
    is_one_clear_line(run("status", "nothing.checkpoint", cwd=folder), 2, "no checkpoint")
    is_one_clear_line(run("failures", "good.csv", cwd=folder), 2, "good.csv")


@pytest.mark.parametrize("option", ["--summary-file", "--results"])
def test_a_path_that_no_file_can_have(folder, hubspot_mock, option):
    mock = hubspot_mock()
    ended = run("upload", "good.csv", "--base-url", mock.url, option, "x" * 300, cwd=folder)
    is_one_clear_line(ended, 2, "x" * 300, "too long")
    assert mock.stats()["upserts"] == 0
