"""`uploader mock-server`: run the mock server (`uploader.mockserver`) with settings from options."""

from pathlib import Path

import click

from uploader.errors import SettingsError
from uploader.mockserver.faults.scenario import Scenario
from uploader.mockserver.faults.toml_tables import ScenarioError
from uploader.mockserver.quota import parse_quota
from uploader.mockserver.server import serve
from uploader.mockserver.settings import MockSettings


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    show_default=True,
    metavar="PORT",
    help="TCP port; 0: any free one.",
)
@click.option(
    "--quota",
    default="190/10",
    show_default=True,
    metavar="N/SECONDS",
    help="Requests allowed in a rolling window, or: none.",
)
@click.option(
    "--daily-quota",
    type=click.IntRange(1),
    default=1_000_000,
    show_default=True,
    metavar="N",
    help="Requests allowed per day.",
)
@click.option(
    "--latency",
    type=float,
    default=0.15,
    show_default=True,
    metavar="SECONDS",
    help="Time to answer a request.",
)
@click.option(
    "--scenario",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="File that describes faults, such as errors or an outage.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of all random numbers."
)
def command(
    *, port: int, quota: str, daily_quota: int, latency: float, scenario: Path | None, seed: int
) -> int:
    """Run a mock of HubSpot's API on the loopback address, until interrupted.

    Prints its URL when it listens. Records are kept in memory. GET /_mock/stats shows the requests received,
    GET /_mock/objects/contacts the records; POST /_mock/reset deletes them.
    """
    try:
        settings = MockSettings(
            quota=parse_quota(quota),
            daily_quota=daily_quota,
            latency_seconds=latency,
            scenario=Scenario.read(scenario) if scenario else Scenario(),
            seed=seed,
        )
        serve(settings, port=port)
    except ScenarioError as error:
        raise SettingsError(f"--scenario {scenario}: {error}") from error
    except ValueError as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        raise SettingsError(f"cannot listen on port {port}: {error.strerror or error}") from error
    return 0
