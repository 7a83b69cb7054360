"""Reading tables and queries of SQLite, and going on with them after a kill."""

import math
import sqlite3
import sys
from contextlib import closing

import pytest

from support.databases.customers import cells, customer, execute, marks, open_customers, write_sqlite
from uploader.errors import ChangedRowsError, SourceError
from uploader.sources.sql import sql_source
from uploader.sources.sql.connection import Database

ROWS = 500


@pytest.fixture
def path(tmp_path):
    return tmp_path / "crm.db"


@pytest.fixture
def url(path):
    return write_sqlite(path, ROWS)


@pytest.fixture(params=[70, 5_000], ids="pages of {}".format)
def _pages(request, monkeypatch):
    monkeypatch.setattr(sql_source, "PAGE_ROWS", request.param)


def database(url):
    return url.partition("?")[0]


def expected(count=ROWS):
    return [list(map(str, customer(number))) for number in range(1, count + 1)]


@pytest.mark.usefixtures("_pages")
def test_a_table_is_read_in_the_order_of_its_primary_key(url):
    source = open_customers(url)
    assert cells(source) == expected()
    assert source.shape.columns == ("id", "email", "firstname")
    assert (source.declared_rows, source.notices) == (ROWS, ())
    assert source.bytes_read() == source.size_bytes


ORDERS = {
    "up": "ORDER BY id",
    "down": "ORDER BY id DESC",
    "several keys": "ORDER BY third, id DESC",
    "texts": "ORDER BY email",
    "repeated keys": "ORDER BY third",
    "keys without case": "ORDER BY letter, email",
    "some without a key": "ORDER BY rest, id",
    "some without a key at the end": "ORDER BY rest DESC, id",
    "no key of the result": "ORDER BY id + 0",
    "no order": "",
}


@pytest.mark.usefixtures("_pages")
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_from_every_mark_on_the_rest_is_read_whatever_the_order(path, url, order):
    execute(path, "CREATE TABLE letters (n INTEGER, letter TEXT COLLATE NOCASE)")
    execute(path, "INSERT INTO letters VALUES (?, ?)", ((n, "aAbB"[n % 4]) for n in range(1, ROWS + 1)))
    query = (
        "SELECT id, email, id / 3 AS third, letter, CASE WHEN id % 3 THEN id END AS rest "
        f"FROM customers JOIN letters ON n = id {order}"
    )
    source = open_customers(database(url), query)
    whole = cells(source)
    assert sorted(int(row[0]) for row in whole) == list(range(1, ROWS + 1))
    with closing(sqlite3.connect(path)) as connection:
        assert whole == [
            ["" if value is None else str(value) for value in row] for row in connection.execute(query)
        ]
    ends = list(marks(source))
    for mark in ends:
        assert cells(source, start=mark, known=ends) == whole[mark.offset - 1 :]


def test_what_was_changed_before_the_key_is_not_looked_at(path, url):
    source = open_customers(url)
    mark = list(marks(source))[1]
    execute(path, "UPDATE customers SET firstname = 'Changed' WHERE id < 400")
    execute(path, "DELETE FROM customers WHERE id = 5")
    execute(path, "INSERT INTO customers VALUES (501, 'c501@example.com', 'First 501')")
    assert cells(open_customers(url), start=mark) == expected(501)[400:]


def test_without_a_key_what_was_changed_before_is_refused(path, url):
    query = "SELECT email, firstname FROM customers ORDER BY id + 0"
    mark = list(marks(open_customers(database(url), query)))[1]
    execute(path, "UPDATE customers SET firstname = 'Changed' WHERE id = 5")
    with pytest.raises(
        ChangedRowsError, match=r"its first 400 rows differ from those .* has read before; give"
    ):
        cells(open_customers(database(url), query), start=mark)


@pytest.mark.parametrize(
    "change",
    ["UPDATE customers SET email = 'x' WHERE id = 400", "DELETE FROM customers WHERE id = 400"],
    ids=["changed", "deleted"],
)
def test_reading_goes_on_behind_no_other_row_than_the_last_one(path, url, change):
    mark = list(marks(open_customers(url)))[1]
    execute(path, change)
    with pytest.raises(ChangedRowsError):
        cells(open_customers(url), start=mark)


def test_a_row_changed_behind_the_mark_is_refused_before_its_slice_is_returned(path, url):
    ends = list(marks(open_customers(url)))
    execute(path, "UPDATE customers SET firstname = 'Changed' WHERE id = 401")
    slices = open_customers(url).slices(ends[0], ends)
    assert next(slices).rows[-1].content[0] == "400"
    with pytest.raises(ChangedRowsError, match="its first 500 rows differ"):
        next(slices)


def test_rows_that_are_gone_are_missed(path, url):
    ends = list(marks(open_customers(url)))
    execute(path, "DELETE FROM customers WHERE id > 450")
    with pytest.raises(ChangedRowsError, match="ends 50 rows before the position that the job has reached"):
        cells(open_customers(url), start=ends[0], known=ends)


def test_no_lock_is_held_between_the_slices_of_a_table(path, url):
    slices = open_customers(url).slices()
    next(slices)
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("ROLLBACK")


def test_a_row_changed_between_two_pages_is_read_once(path, url, monkeypatch):
    monkeypatch.setattr(sql_source, "PAGE_ROWS", 200)
    slices = open_customers(url).slices()
    found = [row.content[0] for row in next(slices).rows]
    execute(path, "UPDATE customers SET email = 'x', firstname = 'y' WHERE id IN (200, 201)")
    found += [row.content[0] for part in slices for row in part.rows]
    assert found == [row[0] for row in expected()]


@pytest.mark.parametrize("rows_of_a_key", [3, 120, ROWS])
def test_rows_of_one_key_are_read_once_though_each_query_has_them_in_another_order(
    url, monkeypatch, rows_of_a_key
):
    monkeypatch.setattr(sql_source, "PAGE_ROWS", 70)
    shuffled = "(SELECT * FROM customers ORDER BY random() LIMIT -1)"
    query = f"SELECT id, id / {rows_of_a_key} AS part FROM {shuffled} ORDER BY part"
    found = cells(open_customers(database(url), query))
    assert sorted(int(row[0]) for row in found) == list(range(1, ROWS + 1))
    assert [int(row[1]) for row in found] == sorted(number // rows_of_a_key for number in range(1, ROWS + 1))


def test_texts_that_differ_only_here_are_read_once_though_each_query_has_them_in_another_order(
    path, url, monkeypatch
):
    monkeypatch.setattr(sql_source, "PAGE_ROWS", 70)
    execute(path, "CREATE TABLE letters (n INTEGER, letter TEXT COLLATE NOCASE)")
    execute(path, "INSERT INTO letters VALUES (?, ?)", ((n, "aA"[n % 2]) for n in range(1, ROWS + 1)))
    query = "SELECT * FROM (SELECT * FROM letters ORDER BY random() LIMIT -1) ORDER BY letter"
    found = cells(open_customers(database(url), query))
    assert sorted(int(row[0]) for row in found) == list(range(1, ROWS + 1))


def test_a_row_read_before_is_not_read_again_because_its_text_differs_only_here(path, url):
    """For the database rows 199 and 200, before the mark, are equal; it returns them the other way round."""
    execute(path, "CREATE TABLE names (n INTEGER, name TEXT COLLATE NOCASE)")
    execute(
        path,
        "INSERT INTO names VALUES (?, ?)",
        ((n, f"{'nN'[n % 2]}{(n + 1) // 2:03}") for n in range(1, ROWS + 1)),
    )
    execute(path, "CREATE TABLE way AS SELECT 1 AS sign")
    query = "SELECT * FROM (SELECT names.* FROM names, way ORDER BY n * sign LIMIT -1) ORDER BY name"
    mark = next(marks(open_customers(database(url), query)))
    execute(path, "UPDATE way SET sign = -1")
    with pytest.raises(ChangedRowsError):
        cells(open_customers(database(url), query), start=mark)


@pytest.mark.parametrize("spelled", [math.floor, math.ceil])
def test_keys_that_the_driver_does_not_return_exactly_lose_and_repeat_no_row(path, url, monkeypatch, spelled):
    """As nanoseconds that are cut off, or SQL Server's DATETIME, which is rounded to milliseconds."""
    monkeypatch.setattr(sql_source, "PAGE_ROWS", 70)
    rows = Database.rows

    def inexact(*given):
        with closing(rows(*given)) as parts:
            for part in parts:
                yield [
                    tuple(spelled(one) if type(one) is float else one for one in values) for values in part
                ]

    monkeypatch.setattr(Database, "rows", inexact)
    source = open_customers(database(url), "SELECT id / 100 + 0.25 AS at, id FROM customers ORDER BY at, id")
    assert [row[1] for row in cells(source)] == [str(number) for number in range(1, ROWS + 1)]
    for mark in list(marks(source)):
        assert [row[1] for row in cells(source, start=mark)] == [
            str(number) for number in range(mark.offset, ROWS + 1)
        ]


def test_a_query_that_takes_long_is_not_asked_for_every_page(url, monkeypatch):
    monkeypatch.setattr(sql_source, "PAGE_ROWS", 10)
    asked = []
    rows = Database.rows
    monkeypatch.setattr(Database, "rows", lambda *given: asked.append(given) or rows(*given))
    seconds = iter(range(0, 10_000, 2))
    source = sql_source.SqlSource(url, None, clock=lambda: next(seconds))
    asked.clear()
    assert cells(source) == expected()
    assert len(asked) == 2


def test_an_order_by_nothing_is_reported(url):
    (notice,) = open_customers(database(url), "SELECT * FROM customers").notices
    assert "has no ORDER BY" in notice
    assert open_customers(database(url), "SELECT * FROM customers ORDER BY id").notices == ()


def test_colons_and_percent_signs_are_no_parameters(url):
    query = "SELECT id, 'a:b %s :id ?' AS city FROM customers ORDER BY id"
    source = open_customers(database(url), query)
    assert source.declared_rows == ROWS
    assert cells(source, start=next(marks(source)))[0] == ["201", "a:b %s :id ?"]


def test_columns_of_one_name_are_told_apart(url):
    source = open_customers(database(url), "SELECT id, email, email FROM customers ORDER BY 1")
    assert source.shape.columns == ("id", "email", "email#2")
    assert cells(source, start=next(marks(source)))[0] == ["201", *["c201@example.com"] * 2]


def test_bytes_are_texts_or_make_their_cell_unreadable(path):
    execute(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c)")
    execute(path, "INSERT INTO t VALUES (1, x'61', CAST(x'ff' AS TEXT), NULL)")
    (part,) = open_customers(f"sqlite:///{path}?table=t").slices()
    content = part.rows[0].content
    assert content.cells == ["1", "a", "", ""]
    assert (
        content.reason == "column 'b' holds bytes that are not UTF-8 text; leave the column out of the query"
    )


def test_a_table_without_a_primary_key_is_read_in_the_order_of_its_rows(path):
    execute(path, "CREATE TABLE t (email TEXT)")
    execute(path, "INSERT INTO t VALUES (?)", ((f"c{n % 7}",) for n in range(500)))
    source = open_customers(f"sqlite:///{path}?table=t")
    assert cells(source, start=next(marks(source))) == [[f"c{n % 7}"] for n in range(200, 500)]


# --- what is refused, in one line ---


@pytest.mark.parametrize(
    ("rest", "query", "text"),
    [
        ("?table=custmers", None, ": there is no table custmers; did you mean customers?"),
        ("?table=Customers2", None, ": there is no table Customers2; did you mean customers?"),
        ("?table=x", None, ": there is no table x; check its name (tables: customers, empty, view)"),
        (
            "",
            None,
            ': names no table; add ?table=customers to the URL, or give --query "SELECT ..." (tables: ',
        ),
        ("?table=empty", None, ": has no rows"),
        (
            "?table=view",
            None,
            "has no primary key, so its rows have no order in which a killed run could go on; ",
        ),
        (
            "?table=view",
            None,
            "give --query 'SELECT * FROM \"view\" ORDER BY ...' with columns that identify a row",
        ),
        ("?table=customers", "SELECT 1", ": names a table, and --query is given, too; leave one of them out"),
        ("", "SELECT nope FROM customers", ": the database says: no such column: nope"),
        ("", "SELECT * FROM empty", ": has no rows"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(path, url, rest, query, text):
    execute(path, "CREATE TABLE empty (id INTEGER PRIMARY KEY)")
    execute(path, "CREATE VIEW view AS SELECT * FROM customers")
    with pytest.raises(SourceError) as raised:
        open_customers(database(url) + rest, query)
    assert text in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite:///gone.db?table=t", "sqlite:///gone.db?table=t: no such file: gone.db; check the path"),
        ("sqlite://", "sqlite://: names no file; write sqlite:///crm.db?table=customers"),
        (
            "oracle://db/x?table=t",
            f"a driver for oracle is missing: {sys.executable} -m pip install oracledb",
        ),
        (
            "mysql+mysqldb://db/x?table=t",
            f"a driver for mysql is missing: {sys.executable} -m pip install mysqlclient",
        ),
        (
            "snowflake://db/x?table=t",
            f"does not know snowflake; {sys.executable} -m pip install snowflake-sqlalchemy",
        ),
        ("abc+def://db/x?table=t", "does not know abc+def; install the package that adds it to SQLAlchemy"),
        (
            "postgresql+asyncpg://db/x?table=t",
            "is an asynchronous driver, which is not used here; write postgresql+",
        ),
        ("sqlite+aiosqlite:///x.db?table=t", "no such file: x.db"),
        ("postgresql://u:a@b@db/x?table=t", "write its special characters with their codes (@ as %40"),
        (
            "postgresql://db:x/y?table=t",
            "postgresql://...: it is not certain where the password in this URL ends",
        ),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_what_to_do(url, text):
    with pytest.raises(SourceError) as raised:
        open_customers(url)
    assert text in str(raised.value)


def test_an_error_of_a_driver_does_not_quote_the_password(monkeypatch):
    for name in ("hunter%342", "hunter42"):
        with pytest.raises(SourceError) as raised:
            open_customers(f"postgresql+psycopg://me:{name}@127.0.0.1:1/x?table=t")
        assert "hunter" not in str(raised.value)
        assert str(raised.value).startswith(
            "postgresql+psycopg://me@127.0.0.1:1/x?table=t: the database says: "
        )


def test_an_error_of_a_driver_does_not_quote_a_parameter_that_is_not_shown():
    with pytest.raises(SourceError, match="the database says") as raised:
        open_customers("postgresql+psycopg://me@127.0.0.1:1/x?table=t&connect_timeout=sesame42")
    assert "sesame" not in str(raised.value)


def test_a_database_is_opened_for_reading_only(url):
    with pytest.raises(SourceError, match="readonly"), Database(url).connected() as connection:
        connection.exec_driver_sql("CREATE TABLE other (id INTEGER)")


def test_the_path_of_a_database_is_answered_with_the_url_of_its_tables(tmp_path):
    path = tmp_path / "Ünser? crm%20@home.db"
    write_sqlite(path, 3)
    url = f"sqlite:///{tmp_path}/Ünser%3F crm%2520@home.db?table=customers"
    execute(path, "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    assert cells(open_customers(url)) == expected(3)
    with pytest.raises(SourceError) as raised:
        open_customers(str(path))
    assert str(raised.value) == (
        f'{path}: is an SQLite database; give the URL of one of its tables instead: "{url}" '
        "(tables: customers, orders)"
    )
