"""Forks processes of the command line from an interpreter that has already imported the package.

Most of a short command's time is its start. Run as a script, this starts once and forks a process for each
order. The process has its own process id, signals, streams, environment and folder, and does what
`python -m uploader` does. Tests of what Python reads at its start (its variables, LD_PRELOAD) or inherits
(ignored signals) need an interpreter of their own.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from typing import Any, NoReturn

import uploader
from uploader.records.headers.tables import tables
from uploader.records.values.top_level_domains import may_have_remarks

#: The format of numbers. Its length and four descriptors precede each order: the streams, and a socket
#: on which the process id and later the exit code are reported.
NUMBER = struct.Struct("!i")
_STREAMS = 3
#: Not imported in advance: few commands need the mock server, and one module is the command itself.
_LATE = ("uploader.mockserver", "uploader.__main__")


def _import_all() -> None:
    for module in pkgutil.walk_packages(uploader.__path__, "uploader."):
        if not module.name.startswith(_LATE):
            importlib.import_module(module.name)
    importlib.import_module("uvloop")
    # What `check` and others would read from files, each for itself.
    tables()
    may_have_remarks(["a@example.com"])
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page


def _receive(orders: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    head, descriptors, _, _ = socket.recv_fds(orders, NUMBER.size, _STREAMS + 1)
    if not head:
        return None
    (left,) = NUMBER.unpack(head)
    parts = []
    while left:
        parts.append(orders.recv(left))
        left -= len(parts[-1])
    return json.loads(b"".join(parts)), descriptors


def serve(orders: socket.socket) -> bool:
    """Fork for each order until there are no more. True in a child, which is set up for its order."""
    sockets: dict[int, int] = {}  # by process id, the socket for its exit code
    awake, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    for number in (signal.SIGINT, signal.SIGHUP):  # this process ends with the end of its orders
        signal.signal(number, signal.SIG_IGN)
    with orders, awake, wake, selectors.DefaultSelector() as waiting:
        for each in (orders, awake):
            waiting.register(each, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in waiting.select()]
            if awake in ready:
                awake.recv(4_096)
                _report_exit_codes(sockets)
            if orders not in ready:
                continue
            received = _receive(orders)
            if received is None:
                return False
            order, descriptors = received
            pid = os.fork()
            if not pid:
                signal.set_wakeup_fd(-1)
                break
            sockets[pid] = descriptors.pop()
            for stream in descriptors:
                os.close(stream)
    _become(order, descriptors)
    return True


def _report_exit_codes(sockets: dict[int, int]) -> None:
    while sockets:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        end = sockets.pop(pid)
        os.write(end, NUMBER.pack(os.waitstatus_to_exitcode(status)))
        os.close(end)


def _become(order: dict[str, Any], descriptors: list[int]) -> None:
    """Set up the process as a new interpreter would be."""
    for number in (signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if order["session"]:
        os.setsid()
    os.write(descriptors.pop(), NUMBER.pack(os.getpid()))
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.closerange(_STREAMS, os.sysconf("SC_OPEN_MAX"))
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    tempfile.tempdir = None
    sys.argv[1:] = order["arguments"]


def _run() -> NoReturn:
    """Do what `python -m uploader` does, and end as an interpreter does, but leave its modules alone.

    To take them apart would copy every page that is shared with the parent, and cost more than most commands.
    """
    code = 0
    try:
        runpy.run_module("uploader", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        code = end.code
    getattr(threading, "_shutdown")()  # noqa: B009
    getattr(atexit, "_run_exitfuncs")()  # noqa: B009
    gc.collect()  # what was left open warns
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _import_all()
    if serve(socket.socket(fileno=int(sys.argv[1]))):
        _run()
