"""Tables and queries of databases through the real commands: killed and resumed, and what is around it."""

import csv
import json
import shlex
import sqlite3
from contextlib import closing

import pytest

from support.databases.customers import customer, execute, write_sqlite
from support.databases.postgres_server import fill_customers
from support.processes import environment, holding, kill, run, start, wait_until
from support.soaked import some
from uploader.cli.commands.status import read_summary
from uploader.errors import CheckpointError

ROWS = 1_000
IGNORED = ("--ignore", "id")


def settled(path):
    try:
        return read_summary(path).tallies.settled
    except CheckpointError:
        return 0


def held(mock):
    return {c["properties"]["email"]: c["properties"].get("firstname") for c in mock.contacts()}


def expected(count=ROWS):
    return {email: name for _, email, name in map(customer, range(1, count + 1))}


@pytest.fixture(params=some("a query without a key", "a table of PostgreSQL", soaked=["a table of SQLite"]))
def source(request, tmp_path):
    """The words that name a source, and its checkpoint."""
    if request.param == "a table of PostgreSQL":
        url = fill_customers(request.getfixturevalue("postgres"), ROWS)
        return (url,), tmp_path / f"crm_{ROWS}.customers.checkpoint"
    write_sqlite(tmp_path / "crm.db", ROWS)
    if request.param == "a table of SQLite":
        return ("sqlite:///crm.db?table=customers",), tmp_path / "crm.db.customers.checkpoint"
    query = "SELECT id, email, firstname FROM customers ORDER BY id + 0"
    return ("sqlite:///crm.db", "--query", query), tmp_path / "crm.db.checkpoint"


def test_killed_and_resumed_a_database_ends_the_same(tmp_path, hubspot_mock, source):
    words, checkpoint = source
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.1, scenario=holding(6))
    command = ("upload", *words, *IGNORED, "--base-url", mock.url, "--json", "--max-in-flight", "2")
    process = start(*command, cwd=tmp_path)
    wait_until(lambda: settled(checkpoint) > 300, process)
    kill(process)
    mock.change_scenario({})
    ended = run(*command, cwd=tmp_path)
    assert ended.code == 0, ended
    assert (ended.summary["rows"], ended.summary["created"] + ended.summary["updated"]) == (ROWS, ROWS)
    assert held(mock) == expected()
    assert mock.stats()["records_received"] < 2 * ROWS
    with checkpoint.with_name(checkpoint.name.replace("checkpoint", "results.csv")).open() as file:
        assert sorted(int(line["row"]) for line in csv.DictReader(file)) == list(range(1, ROWS + 1))


@pytest.mark.soak
def test_every_command_takes_a_table_as_it_takes_a_file(tmp_path, hubspot_mock):
    write_sqlite(tmp_path / "crm.db", 300)
    execute(tmp_path / "crm.db", "UPDATE customers SET email = 'nobody' WHERE id = 7")
    mock = hubspot_mock()
    table, account = "sqlite:///crm.db?table=customers", ("--base-url", mock.url)

    def done(*words, code=0):
        ended = run(*words, cwd=tmp_path)
        assert ended.code == code, ended
        return ended

    checked = json.loads(done("check", table, *IGNORED, *account, "--json", code=1).out)
    assert (checked["rows"], checked["invalid"]) == (300, 1)
    assert "would create           299" in done("preview", table, *IGNORED, *account, code=1).out
    done("init", table, *account, "-f", "job.toml")
    project = (tmp_path / "job.toml").read_text().replace('# "id" = { ignore', '"id" = { ignore')
    assert f'source = ["{table}"]' in project
    (tmp_path / "job.toml").write_text(project)
    ended = done("upload", "-f", "job.toml", code=1)
    assert "complete; 1 rows failed" in ended.err.replace("1 row failed", "1 rows failed")
    job = "crm.db.customers.checkpoint"
    printed = [
        line.partition(": uploader ")[2] for line in ended.err.splitlines() if ": uploader verify" in line
    ]
    assert "299  equal" in done(*shlex.split(printed[0])).out
    failed = list(csv.DictReader(done("failures", job).out.splitlines()))
    assert [(row["id"], row["email"], row["uploader_source"]) for row in failed] == [("7", "nobody", table)]
    done("report", job)
    assert "nobody" not in done("status", job).out
    assert "299  created by the job, archived" in done("undo", f"{job}.snapshot", *account).out
    done("purge", job, "--yes")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".db", ".json", ".toml"]


def test_verify_compares_with_no_other_rows_than_those_of_the_job(tmp_path, hubspot_mock):
    write_sqlite(tmp_path / "crm.db", 300)
    mock = hubspot_mock()
    run("upload", "sqlite:///crm.db?table=customers", *IGNORED, "--base-url", mock.url, cwd=tmp_path)
    execute(tmp_path / "crm.db", "INSERT INTO customers VALUES (301, 'c301@example.com', 'x')")
    command = ("verify", "crm.db.customers.checkpoint", "--base-url", mock.url)
    assert run(*command, cwd=tmp_path).code == 0
    execute(tmp_path / "crm.db", "UPDATE customers SET firstname = 'Changed' WHERE id = 7")
    ended = run(*command, "--restart", cwd=tmp_path)
    assert ended.code == 2
    assert "its rows have changed since the upload" in ended.err


def test_verify_compares_the_rows_of_every_source(tmp_path, hubspot_mock):
    for name, first in (("a.db", 0), ("b.db", 500)):
        write_sqlite(tmp_path / name, 10)
        execute(tmp_path / name, f"UPDATE customers SET email = 'c' || (id + {first}) || '@example.com'")
    mock = hubspot_mock()
    sources = ("sqlite:///a.db?table=customers", "sqlite:///b.db?table=customers")
    assert run("upload", *sources, *IGNORED, "--base-url", mock.url, cwd=tmp_path).code == 0
    command = ("verify", "a.db.customers.checkpoint", "--base-url", mock.url)
    assert "20  equal" in run(*command, cwd=tmp_path).out
    execute(tmp_path / "a.db", "UPDATE customers SET firstname = 'Changed' WHERE id = 7")
    ended = run(*command, "--restart", cwd=tmp_path)
    assert (ended.code, "a.db?table=customers: its rows have changed" in ended.err) == (2, True), ended


def test_a_finished_job_is_of_no_other_query_or_table(tmp_path, hubspot_mock):
    write_sqlite(tmp_path / "crm.db", 10)
    mock = hubspot_mock()
    command = ("upload", "sqlite:///crm.db", *IGNORED, "--base-url", mock.url, "--query")
    assert run(*command, "SELECT * FROM customers ORDER BY id", cwd=tmp_path).code == 0
    ended = run(*command, "SELECT * FROM customers ORDER BY email", cwd=tmp_path)
    assert ended.code == 2
    assert "crm.db.checkpoint belongs to another database, table or query than sqlite:///crm.db" in ended.err


def test_a_project_file_names_a_query_and_a_file_beside_it(tmp_path, hubspot_mock):
    (tmp_path / "job").mkdir()
    write_sqlite(tmp_path / "job" / "crm.db", 10)
    mock = hubspot_mock()
    (tmp_path / "job" / "crm.toml").write_text(
        f'source = "sqlite:///crm.db"\nbase_url = "{mock.url}"\n'
        'query = "SELECT email, firstname FROM customers ORDER BY email"\n'
    )
    ended = run("upload", "-f", "job/crm.toml", cwd=tmp_path)
    assert ended.code == 0, ended
    assert held(mock) == expected(10)


@pytest.mark.parametrize("given_by", some("command line", soaked=["variable"]))
def test_a_password_is_in_no_text_and_no_file(tmp_path, hubspot_mock, postgres, given_by):
    """The server trusts its users: it takes any password."""
    url = fill_customers(postgres, 60).replace("tester@", "tester:hunter42@")
    mock = hubspot_mock()
    words = [*IGNORED, "--base-url", mock.url]
    env = environment(UPLOADER_SOURCE=url) if given_by == "variable" else environment()
    named = [] if given_by == "variable" else [url]
    for verb, *more in (["check"], ["upload", "--snapshot"], ["upload", "--log-format", "json"]):
        ended = run(verb, *named, *words, *more, cwd=tmp_path, env=env)
        assert ended.code == 0, ended
        assert "hunter42" not in ended.out + ended.err
        lacks = "compare the records with the rows (add --source with the whole URL): uploader verify"
        assert (lacks in ended.err) == (verb == "upload")
        is_warned = "the list of processes and the shell's history show this URL" in ended.err
        assert is_warned == (given_by == "command line")
    for verb in ("report", "status"):
        run(verb, "crm_60.customers.checkpoint", cwd=tmp_path)
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert len(files) > 3
    assert [path.name for path in files if b"hunter42" in path.read_bytes()] == []


def test_what_a_query_would_write_is_refused_by_the_database(tmp_path, postgres, hubspot_mock):
    url = fill_customers(postgres, 30).replace("&table=customers", "")
    query = "SELECT nextval('numbers'), email FROM customers ORDER BY email"
    ended = run("check", url, "--query", query, "--base-url", hubspot_mock().url, cwd=tmp_path)
    assert ended.code == 2
    assert "cannot execute nextval() in a read-only transaction" in ended.err


def test_the_values_of_postgresql_are_read_as_texts(tmp_path, postgres):
    from support.databases.customers import cells, open_customers  # noqa: PLC0415  # as the others use it

    url = fill_customers(postgres, 20).replace("&table=customers", "")
    query = """
        SELECT true, 1.50::numeric, 0.1::float4, date '2024-01-02', 12345678901234567890::numeric,
            timestamptz '2024-01-02 03:04:05.5+02', time '03:04', ARRAY['a', 'b'], 'abc'::bytea, NULL,
            'a1b2c3d4-0000-0000-0000-000000000000'::uuid, '10.0.0.1'::inet, jsonb '"plain"'
    """
    assert cells(open_customers(url, query)) == [
        [
            *("true", "1.50", "0.1", "2024-01-02", "12345678901234567890"),
            *("2024-01-02T01:04:05.5Z", "03:04:00", "a;b", "abc", ""),
            *("a1b2c3d4-0000-0000-0000-000000000000", "10.0.0.1", "plain"),
        ]
    ]


def test_a_lost_connection_is_made_again_behind_the_last_key(postgres, monkeypatch):
    import psycopg  # noqa: PLC0415  # only with a server

    from uploader.sources.sql import sql_source  # noqa: PLC0415  # as above

    monkeypatch.setattr(sql_source, "PAGE_ROWS", 200)
    url = fill_customers(postgres, 700)
    name = url.partition("?")[0].rpartition("/")[2]

    def allow(*, is_allowed):
        with psycopg.connect(f"host={postgres} user=tester dbname=postgres", autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {is_allowed}")

    waited = []

    def sleep(seconds):
        waited.append(seconds)
        allow(is_allowed=len(waited) > 1)

    source = sql_source.SqlSource(url, None, sleep=sleep)
    slices = source.slices()
    found = [row.content[0] for row in next(slices).rows]
    allow(is_allowed=False)
    found += [row.content[0] for part in slices for row in part.rows]
    assert found == [str(number) for number in range(1, 701)]
    assert waited == [1.0, 5.0]


def test_a_database_that_is_not_there_any_more_leaves_the_job_resumable(tmp_path, hubspot_mock):
    write_sqlite(tmp_path / "crm.db", 300)
    mock = hubspot_mock()
    command = (
        "upload",
        "sqlite:///crm.db?table=customers",
        *IGNORED,
        "--base-url",
        mock.url,
        "--limit",
        "100",
    )
    assert run(*command, cwd=tmp_path).code == 75
    with closing(sqlite3.connect(tmp_path / "crm.db", isolation_level=None)) as other:
        other.execute("ALTER TABLE customers RENAME TO people")
        ended = run(*command[:-2], cwd=tmp_path)
        assert (ended.code, "there is no table customers; " in ended.err) == (2, True)
        other.execute("ALTER TABLE people RENAME TO customers")
    assert run(*command[:-2], cwd=tmp_path).code == 0
    assert held(mock) == expected(300)
