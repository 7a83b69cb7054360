"""What all tests share: a clean environment, the loops they run on, and a bridge for aioresponses."""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any

import aioresponses.core
import pytest
from aiohttp import ClientResponse
from hypothesis import HealthCheck, settings

from support.virtual_loop import VirtualTimeLoop

#: Properties are judged by what they find, not by how fast this machine is today.
_UNHURRIED: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow],
}
settings.register_profile("repeatable", derandomize=True, **_UNHURRIED)
settings.register_profile("random", derandomize=False, **_UNHURRIED)


def pytest_configure(config: pytest.Config) -> None:
    """The same examples in every run; other ones with `-m soak` or `--hypothesis-profile=random`."""
    usual = "random" if config.option.markexpr == "soak" else "repeatable"
    settings.load_profile(config.getoption("--hypothesis-profile") or usual)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("soak")


@pytest.fixture(autouse=True)
def _scrubbed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the variables of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(("HUBSPOT_", "UPLOADER_")):
            monkeypatch.delenv(name)


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


aioresponses.core.ClientResponse = _BridgedResponse


def pytest_addoption(parser):
    parser.addoption("--cases", type=int, default=200, help="how many the model test tries in virtual time")
    parser.addoption("--socket-cases", type=int, default=3, help="how many over sockets, with SIGKILL")


def pytest_terminal_summary(terminalreporter):
    checking = sys.modules.get("support.model.checks")
    if checking and checking.SEEN:
        terminalreporter.write_line(f"the model has seen: {dict(checking.SEEN)}")
