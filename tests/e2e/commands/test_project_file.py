"""A project file, from its draft to a job that is continued with it."""

import re
import stat

from support.processes import environment, run

ROWS = "email;Vorname;Lead Source\na@example.com;Jürgen;Web\n"


def test_a_draft_is_private_and_is_never_replaced(tmp_path):
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports/may.2.csv").write_text(ROWS)
    env = environment(HUBSPOT_ACCESS_TOKEN="")
    drafted = run("init", "exports/may.2.csv", cwd=tmp_path, env=env)
    assert drafted.code == 0
    assert drafted.out.startswith(
        "wrote may.toml: 3 columns, 1 of them to be decided. Nobody asked the account"
    )
    file = tmp_path / "may.toml"
    text = file.read_text()
    assert text.startswith("#:schema ./uploader.schema.json\n")
    assert 'source = ["exports/may.2.csv"]\ndelimiter = ";"\n' in text
    assert '# "Lead Source" = { ignore = true }' in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert '"max_failures"' in (tmp_path / "uploader.schema.json").read_text()

    again = run("init", "exports/may.2.csv", cwd=tmp_path, env=env)
    assert (again.code, again.err) == (
        2,
        "uploader: --project may.toml: the file exists; choose another one\n",
    )
    assert file.read_text() == text
    for source, why in (
        ("-", "init needs a file: standard input can be read only once"),
        ("https://h/a.csv?sig=sesame", "https://h/a.csv: the rest of this URL may be a secret"),
    ):
        refused = run("init", source, "-f", "b.toml", cwd=tmp_path, env=env)
        assert (refused.code, refused.err.startswith(f"uploader: {why}")) == (2, True)
        assert "sesame" not in refused.err


def test_a_job_is_the_same_with_options_and_with_the_file(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    (tmp_path / "a.csv").write_text(ROWS, encoding="cp1252")
    file = tmp_path / "a.toml"
    file.write_text(
        f'source = "a.csv"\nencoding = "cp1252"\nbase_url = "{mock.url}"\nset = ["lastname=Ng"]\n[columns]\n'
        '"Vorname" = "firstname"\n"Lead Source" = { ignore = true }\n'
    )
    options = ("--encoding", "cp1252", "--set", "lastname=Ng", "--map", "Vorname=firstname")
    more = ("--ignore", "Lead Source", "--base-url", mock.url)
    assert run("upload", "a.csv", *options, *more, cwd=tmp_path).code == 0
    [contact] = mock.contacts()
    assert (contact["properties"]["firstname"], contact["properties"]["lastname"]) == ("Jürgen", "Ng")

    by_file = run("upload", "-f", "a.toml", cwd=tmp_path)
    assert by_file.code == 0
    assert "nothing was sent: this job is finished already, in account 44237313 (" in by_file.err
    again = run("upload", "-f", file, "--restart", cwd=tmp_path / "..")
    assert (again.code, "updated" in again.out) == (0, True)
    by_options = run("upload", "a.csv", *options, *more, cwd=tmp_path)
    assert "nothing was sent: this job is finished already, in account 44237313 (" in by_options.err
    changed = run("upload", "-f", "a.toml", "--set", "lastname=Li", cwd=tmp_path)
    assert "with other settings" in changed.err


def test_a_draft_says_what_is_wrong_with_the_account_and_is_written_all_the_same(tmp_path, hubspot_mock):
    (tmp_path / "a.csv").write_text(ROWS)
    url = hubspot_mock().url
    other = run("init", "a.csv", "--portal", "999", "--base-url", url, cwd=tmp_path)
    assert other.code == 0
    assert "\nPROBLEM: " in other.out
    assert "999" in other.out.partition("PROBLEM")[2]
    assert 'portal = "999"' in (tmp_path / "a.toml").read_text()
    nowhere = run("init", "a.csv", "-f", "client/a.toml", cwd=tmp_path)
    assert (nowhere.code, nowhere.err) == (
        2, "uploader: --project client/a.toml: the folder does not exist\n",
    )  # fmt: skip


def test_the_columns_of_all_sources_are_drafted(tmp_path):
    (tmp_path / "a.csv").write_text("email,Vorname,Cats\na@example.com,Jo,1\n")
    (tmp_path / "b.csv").write_text("Cats,Tier,email\n2,gold,b@example.com\n")
    env = environment(HUBSPOT_ACCESS_TOKEN="")
    drafted = run("init", "a.csv", "b.csv", "-f", "all.toml", cwd=tmp_path, env=env)
    assert drafted.out.startswith("wrote all.toml: 4 columns, ")
    text = (tmp_path / "all.toml").read_text()
    samples = re.findall(r'Samples: "(.*)"\n(?:# CAUTION.*\n)?(?:# )?"(\w+)" = ', text)
    assert samples == [("a@example.com", "email"), ("Jo", "Vorname"), ("1", "Cats"), ("gold", "Tier")]


ACCOUNTS = (
    "Account ID,Account Name,Billing City,Billing State/Province,Parent Account ID\n"
    "0015g00000AbCdEAAV,Acme,Ulm,BW,\n0015g00000AbCdFAAV,Beta,Austin,TX,0015g00000AbCdEAAV\n"
)


def test_files_of_several_types_are_not_drafted_as_one(tmp_path):
    """Each source is looked at, not the first one alone."""
    (tmp_path / "a.csv").write_text("email,First Name\na@example.com,Jo\n")
    (tmp_path / "b.csv").write_text(ACCOUNTS)
    refused = run("init", "a.csv", "b.csv", cwd=tmp_path, env=environment(HUBSPOT_ACCESS_TOKEN=""))
    assert refused.code == 2
    assert refused.err.startswith(
        "uploader: b.csv: the columns are those of companies in an export of Salesforce"
    )
    assert refused.err.endswith("a project file each, or a plan (`uploader help plans`)\n")
    assert not (tmp_path / "a.toml").exists()


def test_a_draft_says_that_the_token_was_refused(tmp_path, hubspot_mock):
    """Also where the key is made for the ids of another system, which the account has no property for."""
    mock = hubspot_mock(scenario={"faults": [{"kind": "status", "status": 401, "endpoint": "any"}]})
    (tmp_path / "a.csv").write_text(ACCOUNTS)
    drafted = run("init", "a.csv", "--object-type", "companies", "--base-url", mock.url, cwd=tmp_path)
    assert drafted.code == 0
    assert "The account could not be asked, so properties are not checked." in drafted.out
    assert "PROBLEM: token refused: " in drafted.out


def test_accounts_of_another_system_are_drafted_with_a_key_made_for_their_ids(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    env = environment(UPLOADER_BASE_URL=mock.url)
    (tmp_path / "a.csv").write_text(ACCOUNTS)
    unsaid = run("init", "a.csv", cwd=tmp_path, env=env)
    assert unsaid.code == 2
    assert "the columns are those of companies in an export of Salesforce ('Account ID'" in unsaid.err
    assert unsaid.err.endswith("use --object-type companies, and for contacts --object-type contacts\n")
    assert not (tmp_path / "a.toml").exists()
    drafted = run("init", "a.csv", "--object-type", "companies", cwd=tmp_path, env=env)
    assert drafted.code == 0, drafted
    assert "wrote a.toml: 5 columns, 0 of them to be decided" in drafted.out
    assert "rows are matched by salesforce_account_id" in drafted.out
    assert 'id_property = "salesforce_account_id"\n' in (tmp_path / "a.toml").read_text()
    first = drafted.out.index("this account has no property salesforce_account_id yet")
    write, create = (line.split(": uploader ")[1] for line in drafted.out[first:].splitlines()[:2])
    assert run(*write.split(), cwd=tmp_path, env=env).code == 2  # the property is not there yet
    assert run(*create.split(), "--yes", cwd=tmp_path, env=env).code == 0
    uploaded = run("upload", "-f", "a.toml", "--yes", "--json", cwd=tmp_path, env=env)
    assert (uploaded.code, uploaded.summary["created"]) == (0, 2), uploaded
    assert (
        run("upload", "-f", "a.toml", "--yes", "--restart", "--json", cwd=tmp_path, env=env).summary[
            "created"
        ]
        == 0
    )


def test_init_says_what_a_file_of_people_is_although_it_has_columns_of_companies(tmp_path):
    (tmp_path / "a.csv").write_text(ACCOUNTS.replace("Parent Account ID", "Email"))
    assert run("init", "a.csv", cwd=tmp_path, env=environment(HUBSPOT_ACCESS_TOKEN="")).code == 0
