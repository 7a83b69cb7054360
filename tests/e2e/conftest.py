"""Signals as the processes under test expect them, however the tests themselves were started."""

import signal

import pytest


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
