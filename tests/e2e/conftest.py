"""What processes under test need: signals as they expect them, and a database server."""

import signal

import pytest

from support.databases.postgres_server import NOT_INSTALLED, find_programs, serving


@pytest.fixture(autouse=True, scope="session")
def _nothing_inherited_is_ignored():
    """Under nohup and behind a shell's `&` signals are ignored, and all that is started there inherits that.

    A handler is not inherited: with one that does nothing, this process ignores them still, its children not.
    """
    ignored = [
        number
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
        if signal.getsignal(number) is signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, lambda *_: None)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session")
def postgres():
    """The folder of the socket of a PostgreSQL server."""
    programs = find_programs()
    if programs is None:
        pytest.skip(NOT_INSTALLED)
    with serving(programs) as folder:
        yield folder
