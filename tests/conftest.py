"""What all tests share: a clean environment, the loops they run on, and a bridge for aioresponses."""

import asyncio
import fcntl
import gc
import inspect
import os
import sqlite3
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import aioresponses.core
import pytest
from aiohttp import ClientResponse
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from support.schema_check import SchemaCheck
from support.virtual_loop import VirtualTimeLoop
from uploader.mockserver.request_and_reply import Reply, Request
from uploader.mockserver.simulator import Simulator
from uploader.system import sqlite

#: Properties are judged by what they find, not by how fast this machine is today.
_UNHURRIED: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow],
}
settings.register_profile("repeatable", derandomize=True, max_examples=50, **_UNHURRIED)
# More of the same kind, so that a change is never held up by a draw that has nothing to do with it.
settings.register_profile("larger", derandomize=True, max_examples=300, **_UNHURRIED)
settings.register_profile("random", derandomize=False, **_UNHURRIED)


def pytest_configure(config: pytest.Config) -> None:
    """The same examples in every run; other ones with `-m soak` or `--hypothesis-profile=random`."""
    usual = "random" if _is_soak(config) else "repeatable"
    profile = config.getoption("--hypothesis-profile") or usual
    settings.load_profile(profile)
    if profile != "random" and hasattr(providers, "Constants"):
        # Hypothesis tries the constants of all modules that are loaded, which depend on the tests that the
        # same process ran before. There is no setting for it. Where another version keeps them elsewhere,
        # `test_drawn_examples` fails alone.
        none = providers.Constants()
        providers._get_local_constants = lambda: none
    _flush_nothing()
    # The tests start hundreds of processes: modules are compiled once, not by each of them.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def _flush_nothing() -> None:
    """Nobody cuts the power of the tests' own processes: what they commit need not reach the disk.

    `test_power_cuts` does so to other processes, which flush as ever.
    """
    os.fsync = os.fdatasync = lambda _: None
    set_journal: Any = sqlite.set_journal
    connect: Any = sqlite.connect

    def connect_without_flushes(path: Path, mode: sqlite.Mode, **more: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(path, mode, **more)
        if mode in {"create", "replace"}:  # some are filled before their journal is set
            with sqlite.closed_on_error(connection):
                connection.execute("PRAGMA synchronous=OFF")
        return connection

    sqlite.connect = connect_without_flushes
    sqlite.set_journal = lambda connection, path, _: set_journal(connection, path, "OFF")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Thousands of tests are no garbage: they are not gone through again and again in search of some."""
    gc.disable()
    yield
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In a new clone, one worker compiles a test file, and the others wait for it.

    All workers come to the same files in the same order, so each would compile all of them.
    """
    if not isinstance(collector, pytest.Module):
        return (yield)
    with collector.path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return (yield)


def _is_soak(config: pytest.Config) -> bool:
    chosen = config.option.markexpr
    return "soak" in chosen and "not soak" not in chosen


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `soak` runs with `-m soak` alone; what draws examples runs then and always."""
    if not _is_soak(config):
        long = [item for item in items if item.get_closest_marker("soak")]
        items[:] = [item for item in items if not item.get_closest_marker("soak")]
        if long:
            config.hook.pytest_deselected(items=long)
    for item in items:
        is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if is_property or item.get_closest_marker("draws"):
            item.add_marker("soak")


@pytest.fixture(autouse=True)
def _scrubbed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the environment it runs in."""
    for name in list(os.environ):
        if name.startswith(("HUBSPOT_", "UPLOADER_")):
            monkeypatch.delenv(name)


@pytest.fixture
def closed_at_end() -> Iterator[Callable[[Any], Any]]:
    """Takes what has a method `close`, and returns it. It is closed when the test ends."""
    with ExitStack() as stack:
        yield lambda opened: stack.enter_context(closing(opened))


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Any]:
    """`@pytest.mark.asyncio(loop_factories=["virtual"])` runs a test in virtual time."""
    marker = item.get_closest_marker("asyncio")
    wanted = marker.kwargs.get("loop_factories") if marker else None
    loops = {"real": asyncio.SelectorEventLoop, "virtual": VirtualTimeLoop}
    return loops if wanted else {"real": loops["real"]}


class _FinishedWriter:
    """Stands in for the writer of a request that aioresponses never sends."""

    output_size = 0


class _BridgedResponse(ClientResponse):
    """aioresponses 0.7.9 does not know of `stream_writer`, which aiohttp 3.14 requires."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", _FinishedWriter())
        super().__init__(*args, **kwargs)


if "stream_writer" in inspect.signature(ClientResponse.__init__).parameters:
    aioresponses.core.ClientResponse = _BridgedResponse


def pytest_addoption(parser):
    parser.addoption(
        "--cases", type=int, default=30, help="how many a model test tries in virtual time, of each kind"
    )
    parser.addoption("--socket-cases", type=int, default=1, help="how many over sockets, with SIGKILL")


def pytest_terminal_summary(terminalreporter):
    checking = sys.modules.get("support.model.checks")
    if checking and checking.SEEN:
        terminalreporter.write_line(f"the model has seen: {dict(checking.SEEN)}")


_SCHEMAS = SchemaCheck()


@pytest.fixture(autouse=True)
def official_schemas(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a mock server gets and gives must be as HubSpot's schemas say, but for a scenario's faults."""
    handle, found = Simulator.handle, []

    def checked(self: Simulator, request: Request, now: float) -> Reply:
        reply = handle(self, request, now)
        if not reply.is_faulty:
            found.extend(_SCHEMAS.check(request, reply, self.scenario.rules))
        return reply

    monkeypatch.setattr(Simulator, "handle", checked)
    yield
    assert found == []
