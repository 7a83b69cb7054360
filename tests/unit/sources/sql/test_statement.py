"""What a statement says: whether it only reads, and by what it orders its rows."""

import pytest

from uploader.errors import SourceError
from uploader.sources.sql.statement import find_columns, read_statement

COLUMNS = ("id", "email", "Name")


def ordered_by(text, columns=COLUMNS):
    return find_columns(read_statement(text).order, columns)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT * FROM t ORDER BY id", (0,)),
        ("select * from t order by ID ;\n", (0,)),
        ("SELECT * FROM t ORDER BY email, id DESC", (1, 0)),
        ('SELECT * FROM t ORDER BY "Name"', (2,)),
        ("SELECT * FROM t ORDER BY `id`", (0,)),
        ("SELECT * FROM t ORDER BY [id] ASC", (0,)),
        ("SELECT * FROM t ORDER BY 2", (1,)),
        ("SELECT t.* FROM t ORDER BY t.id", (0,)),
        ("SELECT t.id, email FROM t ORDER BY t.id", (0,)),
        ("SELECT id, email FROM (SELECT * FROM t ORDER BY email) ORDER BY id -- by number", (0,)),
        ("WITH a AS (SELECT * FROM t ORDER BY 1) SELECT * FROM a ORDER BY email", (1,)),
        ("SELECT 'ORDER BY x' AS email FROM t /* ORDER BY y */ ORDER BY id", (0,)),
        ("SELECT id FROM a UNION SELECT id FROM b ORDER BY id", (0,)),
        ("SELECT DISTINCT id, top, first FROM t ORDER BY id", (0,)),
        ("VALUES (1, 'a') ORDER BY 1", (0,)),
    ],
)
def test_the_outermost_order_is_found(text, found):
    assert ordered_by(text) == found
    statement = read_statement(text)
    assert statement.text.startswith(statement.unordered)
    assert "ORDER BY id" not in statement.unordered


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM t",
        "SELECT * FROM (SELECT * FROM t ORDER BY id) a",
        "SELECT * FROM t ORDER BY lower(email)",
        "SELECT * FROM t ORDER BY id + 1",
        "SELECT * FROM t ORDER BY id NULLS LAST",
        "SELECT * FROM t ORDER BY id LIMIT 5",
        "SELECT * FROM t ORDER BY phone",
        "SELECT * FROM t ORDER BY 9",
        'SELECT * FROM t ORDER BY "NAME"',
        "SELECT lower(x) AS id FROM t ORDER BY t.id",
        r"SELECT 'it\'s' AS x FROM t ORDER BY id",
        "SELECT row_number() OVER (ORDER BY id) AS n FROM t",
        "SELECT DISTINCT ON (email) * FROM t ORDER BY email, id DESC",
        "SELECT id FROM a UNION SELECT DISTINCT ON (id) id FROM t ORDER BY id",
        "SELECT TOP 10 * FROM t ORDER BY id",
        "SELECT DISTINCT TOP (10) id FROM t ORDER BY id",
        "SELECT FIRST 10 SKIP 20 id FROM t ORDER BY id",
    ],
)
def test_no_order_is_concluded_from_what_is_no_column_of_the_result(text):
    assert ordered_by(text) == ()


@pytest.mark.parametrize(
    "text", ["SELECT * FROM (SELECT * FROM t ORDER BY id) a", "SELECT rank() OVER (ORDER BY id) FROM t"]
)
def test_an_order_inside_is_not_that_of_the_rows(text):
    assert not read_statement(text).is_ordered
    assert read_statement(f"{text} ORDER BY 1").is_ordered


def test_a_name_that_two_columns_have_is_no_order():
    assert ordered_by("SELECT * FROM t ORDER BY name", ("Name", "NAME")) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-- nothing",
        "DELETE FROM t RETURNING *",
        "UPDATE t SET a = 1",
        "CALL f()",
        "SELECT 1; DROP TABLE t",
        "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a",
        "WITH a AS (SELECT 1) DELETE FROM t",
        "SELECT * INTO copy FROM t",
        "'quoted'",
    ],
)
def test_what_does_not_only_read_is_refused(text):
    with pytest.raises(SourceError, match=r'it takes one statement that reads rows, such as "SELECT'):
        read_statement(text)


@pytest.mark.parametrize(
    "text",
    [
        "(SELECT a FROM t) UNION (SELECT b FROM u)",
        "SELECT ';' AS a, 'DELETE' AS b, $x$; DELETE$x$ AS c FROM t",
        'SELECT "delete", update_date FROM t',
        "SELECT * FROM t FOR UPDATE",
        "TABLE customers",
        "FROM customers",
    ],
)
def test_words_in_texts_and_names_do_not_matter(text):
    assert read_statement(text).text == text
