"""`undo` of a job with links as a user runs it: shown first, taken back with the records, or alone."""

import pytest

from support.processes import TOKEN, at_a_terminal, run
from uploader import DeclinedError, undo_sync

KEY = "external_id"


def account(hubspot_mock, **scenario):
    mock = hubspot_mock(quota="100000/10", scenario=scenario)
    mock.reset(objects={"companies": [{"properties": {KEY: f"c{n}"}} for n in range(5)]})
    return mock


def upload(tmp_path, mock, *options):
    rows = "".join(f"p{n}@x.com,c{n % 5}\n" for n in range(200))
    (tmp_path / "contacts.csv").write_text(f"email,account\n{rows}")
    job = ("--associate", f"account=companies.{KEY}", "--base-url", mock.url, "--rate", "1000/1", "--json")
    done = run("upload", "contacts.csv", *job, *options, cwd=tmp_path)
    assert done.code == 0, done
    assert len(mock.links()) == 200
    return done


def undo(tmp_path, mock, *options, named="contacts.csv.checkpoint"):
    return run("undo", named, "--base-url", mock.url, "--yes", *options, cwd=tmp_path)


def test_links_go_before_the_records(tmp_path, hubspot_mock):
    mock = account(hubspot_mock)
    upload(tmp_path, mock, "--snapshot")
    dry = undo(tmp_path, mock, "--dry-run")
    assert "links that the job made: 200: 200 to be taken back" in dry.out, dry
    assert len(mock.links()) == 200
    done = undo(tmp_path, mock, "--json")
    assert (done.code, done.summary["links"]["unlinked"], done.summary["archived"]) == (0, 200, 200), done
    assert mock.links() == []


def test_without_a_snapshot_links_alone_are_taken_back(tmp_path, hubspot_mock):
    mock = account(hubspot_mock)
    upload(tmp_path, mock)
    done = undo(tmp_path, mock)
    assert (done.code, mock.links()) == (0, []), done
    assert "links that the job made: 200: 200 taken back" in done.out
    assert "the records themselves stay as they are" in done.err
    assert len([one for one in mock.contacts() if not one["archived"]]) == 200


def test_without_a_snapshot_links_of_a_former_job_are_taken_back_by_their_file(tmp_path, hubspot_mock):
    mock = account(hubspot_mock)
    upload(tmp_path, mock)
    again = upload(tmp_path, mock, "--restart")
    assert again.summary["links"]["already"] == 200
    assert "give contacts.csv.checkpoint.links.1 to `undo`" in again.err
    done = undo(tmp_path, mock, named="contacts.csv.checkpoint.links.1")
    assert (done.code, mock.links()) == (0, []), done
    assert "links that the job made: 200: 200 taken back" in done.out


def test_links_in_a_production_account_are_taken_back_once_the_user_has_agreed(tmp_path, hubspot_mock):
    mock = account(hubspot_mock, account={"account_type": "STANDARD"})
    upload(tmp_path, mock, "--yes")
    job = ("undo", "contacts.csv.checkpoint", "--base-url", mock.url)
    refused = run(*job, cwd=tmp_path)
    assert (refused.code, len(mock.links())) == (2, 200), refused
    assert "there is no terminal to ask for confirmation: check with --dry-run, then add --yes" in refused.err
    code, seen = at_a_terminal(tmp_path, "n\n", *job)
    assert (code, len(mock.links())) == (2, 200), seen
    assert "take back up to 200 links in account" in " ".join(seen.split())
    assert "nothing was undone" in seen
    code, seen = at_a_terminal(tmp_path, "y\n", *job)
    assert (code, mock.links()) == (0, []), seen


def test_what_was_taken_back_is_told_if_the_records_are_declined(tmp_path, hubspot_mock):
    mock = account(hubspot_mock, account={"account_type": "STANDARD"})
    upload(tmp_path, mock, "--yes", "--snapshot")
    answers = iter([True, False])
    with pytest.raises(DeclinedError, match=r"^200 links were taken back; the rest was not undone$"):
        undo_sync(
            tmp_path / "contacts.csv.checkpoint",
            token=TOKEN,
            base_url=mock.url,
            approve=lambda *_: next(answers),
        )
    assert mock.links() == []
    assert len([one for one in mock.contacts() if not one["archived"]]) == 200
