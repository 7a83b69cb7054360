"""For tests of the Python API: seams to a simulator, and options for a job of rows."""

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.inline_thread import Inline
from support.mock_transport import MockTransport
from uploader.jobs.session import Seams
from uploader.mockserver.simulator import Simulator
from uploader.system.blocking_calls import Background


def seams_to(simulator: Simulator, *, threads: bool = False) -> Seams:
    """Seams on the running loop; with real `threads`, if it is not virtual."""
    transport = MockTransport(simulator)
    loop = asyncio.get_running_loop()
    return Seams(
        transport=lambda _: transport,
        offload=Background if threads else (lambda _: Inline()),
        random_number=random.Random(0).random,
        wall_clock=lambda: datetime.fromtimestamp(simulator.wall(loop.time()), UTC),
    )


def options(folder: Path, name: str = "crm", **more: Any) -> dict[str, Any]:
    return {"token": "test-token", "checkpoint": folder / f"{name}.checkpoint", **more}
