"""Which part of a database's URL is shown, and what it names."""

import pytest

from uploader.sources.database_urls import in_folder, is_database, parse
from uploader.sources.names import is_url, shown, stem

SECRET = "hunter2"


@pytest.mark.parametrize(
    "name",
    [
        "sqlite:///crm.db",
        "postgresql://db/crm",
        "postgres://db/crm",
        "mysql+pymysql://db/crm",
        "oracle+cx_oracle://db/crm",
        "kinetica+http://db/crm",
        "DuckDB:///x.duckdb",
    ],
)
def test_a_dialect_or_a_driver_makes_a_url_that_of_a_database(name):
    assert is_database(name)
    assert is_url(name)


@pytest.mark.parametrize(
    "name", ["crm.db", "https://x/y.csv?table=1", "s3://b/k", "simplecache::s3://b/k", "-", "a+b/c.csv"]
)
def test_files_and_other_urls_are_no_databases(name):
    assert not is_database(name)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        (f"postgresql://me:{SECRET}@db:5432/crm?table=t", "postgresql://me@db:5432/crm?table=t"),
        (f"postgresql://me:a%40{SECRET}@db/crm", "postgresql://me@db/crm"),
        (f"postgresql://:{SECRET}@db/crm", "postgresql://db/crm"),
        (f"postgresql:///crm?host=/tmp&password={SECRET}&table=t", "postgresql:///crm?host=/tmp&table=t"),
        (f"postgresql://db/crm?options=-c%20x%3D{SECRET}", "postgresql://db/crm"),
        (f"mssql+pyodbc:///?odbc_connect=PWD%3D{SECRET}", "mssql+pyodbc:///"),
        (f"postgresql://me:a/{SECRET}@db/crm", "postgresql://..."),
        (f"postgresql://me:a@{SECRET}@db/crm", "postgresql://..."),
        (f"postgresql://me:a@b/{SECRET}@db/crm", "postgresql://..."),
        (f"postgresql://me:1?{SECRET}@db/crm", "postgresql://..."),
        (f"postgresql://me:12/{SECRET}@db/crm", "postgresql://..."),
        (f"postgresql://me:#{SECRET}@db/crm", "postgresql://..."),
    ],
)
def test_no_password_is_shown_however_it_is_written(name, safe):
    assert shown(name) == safe
    assert SECRET not in stem(name)


@pytest.mark.parametrize(
    "name",
    [
        "sqlite:///crm.db?table=customers",
        "sqlite:////data/a@b/crm.db?table=Odd%20Name",
        "postgresql://reader@db:5432/crm?table=sales.leads&sslmode=require",
        "postgresql://[::1]:5432/crm",
        "sqlite://",
    ],
)
def test_a_url_without_secrets_is_shown_as_it_is(name):
    assert shown(name) == name


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("sqlite:////data/crm.db?table=customers", "crm.db.customers"),
        ("sqlite:///crm.db", "crm.db"),
        ("postgresql://db/crm?table=sales.leads", "crm.sales.leads"),
        ("postgresql://db/crm?table=a/../b", "crm.a_.._b"),
        ("postgresql:///?service=x&table=leads", "leads"),
    ],
)
def test_files_are_named_after_database_and_table_in_the_current_folder(name, files):
    assert stem(name) == files


def test_a_database_is_the_same_for_another_user_and_driver_and_a_file_wherever_it_is():
    one, other = parse("postgresql://a:x@db/crm"), parse("postgres://b@db/crm?table=t&sslmode=require")
    assert one.place == other.place != parse("postgresql://db2/crm").place
    assert parse("sqlite:///crm.db").place == parse("sqlite:////data/crm.db").place


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("sqlite:///crm.db?table=t", "sqlite:////job/crm.db?table=t"),
        ("sqlite:////data/crm.db?table=t", "sqlite:////data/crm.db?table=t"),
        ("postgresql://db/crm", "postgresql://db/crm"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
    ],
)
def test_a_relative_file_is_seen_from_the_folder_of_what_names_it(name, seen):
    assert in_folder(name, "/job") == seen
