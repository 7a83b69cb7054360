"""One database, read through SQLAlchemy: its driver, its queries, and their errors.

Drivers   Of a database whose driver the URL does not name, the first one that is installed.
Reads     Each query has a connection of its own, which only reads where the database knows such a thing, and
          a cursor on the server, so that memory does not depend on the number of rows.
Secrets   Errors name the URL without them, and quote a driver without the password and addresses.
Needs     The extra `sql`, and a driver.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from uploader.errors import SourceError
from uploader.model.redaction import without_addresses
from uploader.sources.database_urls import TABLE, DatabaseUrl, parse, shown
from uploader.sources.sql.drivers import (
    DRIVERS,
    READ_ONLY,
    async_driver_text,
    missing_driver_text,
    unknown_dialect_text,
)
from uploader.sources.unreadable_reasons import in_a_line
from uploader.system import sqlite
from uploader.system.installation import install_extra

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine, Executable
    from sqlalchemy.engine import Dialect

Values = Sequence[object]


class LostConnectionError(SourceError):
    """The database can't be reached, or not any more: asking again may help."""


#: Rows that are fetched at once.
_FETCHED_ROWS = 200
#: Where closing a cursor fetches all rows that are left, so that only the end of its connection ends it.
_FETCH_THE_REST = frozenset(["mariadb", "mysql"])


class Database:
    """A database that a URL names. Connects for each query."""

    def __init__(self, name: str) -> None:
        """SourceError if the URL can't be used, or a package is missing."""
        self.name = shown(name)
        url = parse(name)
        if url is None:
            raise SourceError(
                f"{self.name}: it is not certain where the password in this URL ends; write its special "
                "characters with their codes (@ as %40, / as %2F, ? as %3F)"
            )
        self.url = url
        self._secrets = sorted(filter(None, {url.password, unquote(url.password), *url.unshown}), key=len)
        self._engine = self._make_engine(name, url)

    @property
    def dialect(self) -> "Dialect":
        return self._engine.dialect

    @property
    def engine(self) -> "Engine":
        return self._engine

    def _make_engine(self, name: str, url: DatabaseUrl) -> "Engine":
        try:
            import sqlalchemy as sa  # noqa: PLC0415  # only sources that need it pay for it
        except ImportError:
            raise SourceError(
                f"{self.name}: reading a database needs the extra `sql`: {install_extra('sql')}"
            ) from None
        scheme = url.scheme.removesuffix("://")
        try:
            made = sa.make_url(re.sub(r"^postgres(?=[:+])", "postgresql", name))
            made = made.difference_update_query([TABLE])
            if made.get_backend_name() == "sqlite":
                path = self._sqlite_path(unquote(url.database))
                return sa.create_engine(
                    "sqlite://", creator=lambda: _open_sqlite(path), poolclass=sa.pool.NullPool
                )
            made = self._with_driver(made, url)
            is_async = made.get_dialect().is_async
            engine = None if is_async else sa.create_engine(made, poolclass=sa.pool.NullPool)
        except SourceError:
            raise
        except sa.exc.NoSuchModuleError:
            raise SourceError(f"{self.name}: {unknown_dialect_text(scheme, url.dialect)}") from None
        except ImportError as error:
            missing = error.name or ""
            raise SourceError(f"{self.name}: {missing_driver_text(url.dialect, missing)}") from None
        except Exception as error:  # noqa: BLE001  # of any dialect
            raise SourceError(f"{self.name}: this URL cannot be used: {self._words(error)}") from None
        if engine is None:
            raise SourceError(f"{self.name}: {async_driver_text(scheme, url.dialect)}")
        return engine

    def _sqlite_path(self, path: str) -> Path:
        """The file of a database of SQLite. SourceError if there is none."""
        if path in {"", ":memory:"}:
            raise SourceError(f"{self.name}: names no file; write sqlite:///crm.db?table=customers")
        if not os.path.isfile(path):  # noqa: PTH113  # the path as the user wrote it
            raise SourceError(f"{self.name}: no such file: {path}; check the path")
        return Path(path)

    def _with_driver(self, made: "URL", url: DatabaseUrl) -> "URL":
        """The URL with a driver that is installed, if it names none. SourceError if there is none."""
        known = DRIVERS.get(url.dialect, ())
        if not known or "+" in made.drivername:
            return made
        installed = next((one for one in known if _is_installed(one.module)), None)
        if installed is None:
            raise SourceError(f"{self.name}: {missing_driver_text(url.dialect)}")
        return made.set(drivername=f"{url.dialect}+{installed.name}")

    # --- queries ---

    @contextmanager
    def connected(self) -> Iterator["Connection"]:
        """A connection that only reads. SourceError for whatever is raised within."""
        with self.translating(), self._engine.connect() as connection:
            if statement := READ_ONLY.get(self.dialect.name):
                connection.exec_driver_sql(statement)
            yield connection

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Raise an error of SQLAlchemy or of a driver as a SourceError in one line."""
        try:
            yield
        except (SourceError, GeneratorExit):
            raise
        except Exception as error:  # noqa: BLE001  # of any driver
            kind = LostConnectionError if _is_lost(error) else SourceError
            raise kind(f"{self.name}: the database says: {self._words(error)}") from None

    def rows(self, query: "Executable | str") -> Iterator[list[Values]]:
        """The rows of a query, some at a time. Closing the iterator ends the query."""
        with self.connected() as connection:
            result = self._execute(connection, query)
            is_over = False
            try:
                yield [tuple(result.keys())]
                while some := result.fetchmany(_FETCHED_ROWS):
                    yield cast("list[Values]", some)
                is_over = True
            finally:
                if is_over or self.dialect.name not in _FETCH_THE_REST:
                    result.close()
                else:
                    connection.invalidate()

    def _execute(self, connection: "Connection", query: "Executable | str") -> Any:  # noqa: ANN401  # of rows of any types
        options = {"stream_results": True, "max_row_buffer": _FETCHED_ROWS}
        if isinstance(query, str):  # as it is: a percent sign or a colon is no parameter
            return connection.execution_options(**options, no_parameters=True).exec_driver_sql(query)
        return connection.execution_options(**options).execute(query)

    def _words(self, error: BaseException) -> str:
        """What a driver says, in one line without secrets."""
        text = in_a_line(getattr(error, "orig", None) or error)
        for secret in reversed(self._secrets):  # a long one first, since it may hold a short one
            text = text.replace(secret, "(not shown)")
        return without_addresses(text)


def _open_sqlite(path: Path) -> Any:  # noqa: ANN401  # the type of a driver's connection
    """A connection that only reads, and returns texts that are not UTF-8 as bytes."""
    connection = sqlite.connect(path, "source")
    connection.text_factory = _text_or_bytes
    return connection


def _text_or_bytes(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _is_lost(error: Exception) -> bool:
    """Whether a driver can't reach the database. Some drivers have no other class for what it refuses."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool({"OperationalError", "InterfaceError"} & kinds) or getattr(
        error, "connection_invalidated", False
    )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:  # of the package around it
        return False
