"""Which driver reads which database, and which package has it. Tables and texts."""

from typing import NamedTuple

from uploader.system.installation import install


class Driver(NamedTuple):
    """A driver of SQLAlchemy: its name in a URL, its module, and the package that has it."""

    name: str
    module: str
    package: str


#: By dialect, the first one that is installed is used.
DRIVERS = {
    "postgresql": (
        Driver("psycopg", "psycopg", "psycopg[binary]"),
        Driver("psycopg2", "psycopg2", "psycopg2-binary"),
        Driver("pg8000", "pg8000", "pg8000"),
    ),
    "mysql": (
        Driver("pymysql", "pymysql", "pymysql"),
        Driver("mysqldb", "MySQLdb", "mysqlclient"),
        Driver("mysqlconnector", "mysql.connector", "mysql-connector-python"),
    ),
    "oracle": (Driver("oracledb", "oracledb", "oracledb"),),
    "mssql": (Driver("pyodbc", "pyodbc", "pyodbc"), Driver("pymssql", "pymssql", "pymssql")),
}
DRIVERS["mariadb"] = DRIVERS["mysql"]
#: The packages that add a dialect to SQLAlchemy.
_DIALECTS = {
    "bigquery": "sqlalchemy-bigquery",
    "clickhouse": "clickhouse-sqlalchemy",
    "clickhousedb": "clickhouse-connect",
    "cockroachdb": "sqlalchemy-cockroachdb",
    "databricks": "databricks-sqlalchemy",
    "duckdb": "duckdb-engine",
    "redshift": "sqlalchemy-redshift",
    "snowflake": "snowflake-sqlalchemy",
    "trino": "trino",
}
#: What makes a connection refuse to write. SQLite files are opened for reading only.
READ_ONLY = {
    "cockroachdb": "SET TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
    "postgresql": "SET TRANSACTION READ ONLY",
}


def missing_driver_text(dialect: str, module: str = "") -> str:
    """That a driver is missing, and how to install it. `module`: the one not found, if it is known."""
    known = DRIVERS.get(dialect, ())
    named = next((one.package for one in known if module and one.module.startswith(module)), module)
    package = named or (known[0].package if known else "")
    do = f": {install(package)}" if package else "; install it"
    return f"a driver for {dialect} is missing{do}"


def unknown_dialect_text(scheme: str, dialect: str) -> str:
    """That SQLAlchemy does not know a dialect, and how to install it."""
    package = _DIALECTS.get(dialect)
    do = install(package) if package else "install the package that adds it to SQLAlchemy"
    return f"SQLAlchemy does not know {scheme}; {do}"


def async_driver_text(scheme: str, dialect: str) -> str:
    """That a driver is asynchronous, and which one to use."""
    known = DRIVERS.get(dialect)
    use = f"{dialect}+{known[0].name}://" if known else f"{dialect}://"
    return f"{scheme} is an asynchronous driver, which is not used here; write {use}"
