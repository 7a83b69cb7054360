"""The settings of one mock server, as the command `mock-server` takes them."""

from dataclasses import dataclass, field

from uploader.mockserver.faults.scenario import Scenario
from uploader.mockserver.quota import Quota

#: A Professional account: 190 requests in any 10 seconds.
DEFAULT_QUOTA = Quota(190, 10.0)
#: The daily quota of an Enterprise account, which a benchmark does not reach by accident.
DEFAULT_DAILY_QUOTA = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MockSettings:
    """The settings of a mock server."""

    quota: Quota | None = DEFAULT_QUOTA  #: None: no burst limit, and no headers of one
    daily_quota: int = DEFAULT_DAILY_QUOTA
    latency_seconds: float = 0.15  #: of an empty request; see `latency`. 0: none
    scenario: Scenario = field(default_factory=Scenario)
    seed: int = 0  #: of all random numbers: latency, order of results, rates of faults

    def __post_init__(self) -> None:
        if self.daily_quota < 1:
            raise ValueError(f"daily quota must be at least 1, got {self.daily_quota}")
        if self.latency_seconds < 0:
            raise ValueError(f"latency must not be negative, got {self.latency_seconds}")
