"""A PostgreSQL server in a temporary folder, as far as its programs are installed (Debian: `postgresql`)."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from support.databases.customers import TABLE

NOT_INSTALLED = "the programs of a PostgreSQL server are not installed (Debian: apt-get install postgresql)"


def find_programs() -> Path | None:
    """The folder of `initdb` and `postgres`; None if they are not installed, or no user can run them."""
    beside = shutil.which("initdb")
    folders = (
        [Path(beside).parent] if beside else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    )
    found = next((folder for folder in folders if (folder / "postgres").exists()), None)
    return found if found and (os.geteuid() != 0 or _user()) else None


def _user() -> str:
    """The user that the server runs as: it refuses root. "" for the present one, or if there is none."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), "") if os.geteuid() == 0 else ""


@contextmanager
def serving(programs: Path) -> Iterator[str]:
    """Run a server without a network port; the folder of its socket."""
    with TemporaryDirectory(prefix="uploader-pg-", dir="/tmp") as name:  # a socket's path must be short
        folder, user = Path(name), _user()
        if user:
            shutil.chown(folder, user)
        folder.chmod(0o755)

        def run(program: str, *words: str) -> None:
            subprocess.run(
                [programs / program, *words], user=user or None, cwd=folder, check=True, capture_output=True
            )

        data = str(folder / "data")
        run(
            "initdb", "-D", data, "-A", "trust", "-U", "tester", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"
        )
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c timezone=UTC"
        run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield name
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")


def fill_customers(socket_folder: str, count: int) -> str:
    """Create the table `customers` in a database of its own; the URL of the table."""
    import psycopg  # noqa: PLC0415  # only with a server

    name = f"crm_{count}"
    with psycopg.connect(f"host={socket_folder} user=tester dbname=postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    with psycopg.connect(f"host={socket_folder} user=tester dbname={name}", autocommit=True) as connection:
        connection.execute(TABLE)
        connection.execute("CREATE SEQUENCE numbers")
        connection.execute(
            "INSERT INTO customers SELECT n, 'c' || n || '@example.com', 'First ' || n "
            f"FROM generate_series(1, {count}) n"
        )
    return f"postgresql://tester@/{name}?host={socket_folder}&table=customers"
