"""URLs of databases, as SQLAlchemy has them: which ones are, what they name, and which part may be shown.

In    the name of a source, as the user wrote it.
Raise nothing.
Rules A URL may carry a password, before the host or as a parameter. Only what certainly is none is shown:
      if it is not certain where the password ends, nothing but the scheme.
"""

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import unquote_plus

TABLE = "table"

#: Databases by the name of their dialect. Of others the driver has to be named, as in `kinetica+http://`.
_DIALECTS = frozenset(
    """
    access awsathena bigquery clickhouse clickhousedb cockroachdb crate databricks db2 drill druid duckdb exa
    firebird hana hive ibm_db_sa impala mariadb monetdb mssql mysql oracle postgres postgresql presto redshift
    snowflake spanner sqlite teradatasql trino vertica
    """.split()  # noqa: SIM905  # as a list of quoted words it would be longer
)
#: Dialects whose databases are files.
_OF_FILES = frozenset(["duckdb", "sqlite"])
#: Parameters that say which server is meant.
_PLACE = frozenset(["host", "port", "service", "service_name", "dbname", "unix_socket"])
#: Parameters that hold no secret.
_SHOWN = _PLACE | {TABLE, "charset", "driver", "sslmode"}

_SCHEME = re.compile(r"(?P<dialect>[A-Za-z][\w.\-]*)(?:\+(?P<driver>[\w.\-]+))?://")
_PARTS = re.compile(
    r"(?:(?P<user>[^:/@?#]*)(?::(?P<password>[^/@?#]*))?@)?"
    r"(?P<host>(?:\[[^\]/@?#]*\]|[^:/@?#]*)(?::\d*)?)"
    r"(?:/(?P<database>[^?#]*))?(?:\?(?P<query>[^#]*))?"
)


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The parts of a URL, as they are written."""

    scheme: str  #: `postgresql+psycopg://`
    dialect: str
    user: str
    password: str
    host: str  #: with the port
    database: str
    query: str

    @property
    def parameters(self) -> dict[str, str]:
        pairs = (pair.partition("=") for pair in self.query.split("&") if pair)
        return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}

    @property
    def table(self) -> str:
        return self.parameters.get(TABLE, "")

    @property
    def unshown(self) -> list[str]:
        """Values of parameters that may be secrets. Shorter ones are numbers and flags, found in any text."""
        return [value for name, value in self.parameters.items() if name not in _SHOWN and len(value) > 3]

    @property
    def is_of_file(self) -> bool:
        return self.dialect in _OF_FILES

    @property
    def place(self) -> str:
        """What identifies the database, whoever reads it; of a file its name, wherever it is."""
        if self.is_of_file:
            return f"{self.dialect}:{posixpath.basename(self.database)}"
        named = sorted((name, value) for name, value in self.parameters.items() if name in _PLACE)
        return "|".join([self.dialect, self.host, self.database, *map("=".join, named)])


def is_database(name: str) -> bool:
    """Whether the name of a source is the URL of a database."""
    scheme = _SCHEME.match(name)
    return scheme is not None and (scheme["driver"] is not None or scheme["dialect"].lower() in _DIALECTS)


def parse(name: str) -> DatabaseUrl | None:
    """The parts of a database's URL; None if it is not certain where the password ends."""
    scheme = _SCHEME.match(name)
    parts = scheme and _PARTS.fullmatch(name, scheme.end())
    if not scheme or not parts:
        return None
    found = {part: text or "" for part, text in parts.groupdict().items()}
    dialect = scheme["dialect"].lower()
    url = DatabaseUrl(scheme[0], "postgresql" if dialect == "postgres" else dialect, **found)
    # An @ behind the host may belong to a password whose special characters are not escaped.
    is_doubtful = "@" in url.database + url.query and (url.host or url.user)
    return None if is_doubtful else url


def shown(name: str) -> str:
    """The part of a database's URL that may be shown and stored; all of it if it holds no secret."""
    url = parse(name)
    if url is None:
        scheme = _SCHEME.match(name)
        return f"{scheme[0] if scheme else ''}..."
    user = f"{url.user}@" if url.user else ""
    path = "/" + url.database if "/" in name[len(url.scheme) :].partition("?")[0] else ""
    pairs = [pair for pair in url.query.split("&") if unquote_plus(pair.partition("=")[0]) in _SHOWN]
    return f"{url.scheme}{user}{url.host}{path}{'?' if pairs else ''}{'&'.join(pairs)}"


def has_password(name: str) -> bool:
    """Whether a database's URL holds what may be a secret."""
    return shown(name) != name


def stem(name: str) -> str:
    """The path that a job's files are named after: database and table, in the current folder."""
    url = parse(name)
    if url is None:
        return ""
    named = [posixpath.basename(url.database.rstrip("/")), url.table]
    return ".".join(re.sub(r"[^\w.\-]+", "_", part) for part in named if part)


def in_folder(name: str, folder: str) -> str:
    """The URL with the path of its file, if it is relative, seen from this folder."""
    url = parse(name)
    if url is None or not url.is_of_file or url.database[:1] in {"", ":", "/"}:
        return name
    path = posixpath.join("" if folder == "." else folder, url.database)
    return name.replace(f"/{url.database}", f"/{path}", 1)
