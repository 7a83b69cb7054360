"""The functions for programs without an event loop: `upload_sync` is `upload` in a loop of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from uploader.api.features import check, preview, undo, verify
from uploader.api.uploader import upload

P = ParamSpec("P")
T = TypeVar("T")


def _in_new_loop(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """The function for a program without an event loop. Ctrl-C stops the job in order."""
    name = function.__name__

    @wraps(function)
    def run(*sources: P.args, **options: P.kwargs) -> T:
        if asyncio._get_running_loop() is not None:  # noqa: SLF001  # without an error where none runs
            raise RuntimeError(
                f"{name}_sync() cannot be called where an event loop runs; use `await {name}(...)` there"
            )
        return asyncio.run(function(*sources, **options))

    run.__name__ = run.__qualname__ = f"{name}_sync"
    return run


upload_sync = _in_new_loop(upload)
check_sync = _in_new_loop(check)
preview_sync = _in_new_loop(preview)
verify_sync = _in_new_loop(verify)
undo_sync = _in_new_loop(undo)
