"""`uploader mock-server`: options to the mock server's settings. The server is `uploader.mockserver`."""

from pathlib import Path

import click

from uploader.errors import SettingsError
from uploader.mockserver.faults.scenario import Scenario
from uploader.mockserver.faults.toml_tables import ScenarioError
from uploader.mockserver.quota import parse_quota
from uploader.mockserver.server import serve
from uploader.mockserver.settings import MockSettings


@click.command(short_help="Run the HubSpot double as a server of its own.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, show_default=True, help="0 picks one.")
@click.option("--quota", default="190/10", show_default=True, help="Requests in a rolling window; or: none")
@click.option("--daily-quota", type=click.IntRange(1), default=1_000_000, show_default=True)
@click.option("--latency", type=float, default=0.15, show_default=True, help="Seconds; 0 is none at all.")
@click.option("--scenario", type=click.Path(path_type=Path), help="A TOML file that says what goes wrong.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of every roll of its dice.")
def command(
    *, port: int, quota: str, daily_quota: int, latency: float, scenario: Path | None, seed: int
) -> int:
    """Run the HubSpot double on this machine's loopback address, until interrupted.

    It prints one line with its URL when it listens. Contacts are kept in memory. GET /_mock/stats tells what
    it has seen, GET /_mock/objects/contacts what it holds, POST /_mock/reset makes it forget.
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
        raise SettingsError(f"can't run on port {port}: {error.strerror or error}") from error
    return 0
