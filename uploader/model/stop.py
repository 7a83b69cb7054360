"""Why a run pauses, and the exception that ends it early. `jobs.summary` has the texts for the user."""

from enum import StrEnum


class Cause(StrEnum):
    """Why a run pauses or stops."""

    BURST = "burst quota used up"  #: 429 of the window
    SEARCH = "limit of searches reached"  #: 429 of the search endpoint: only searches wait
    LOCKED = "locked by HubSpot"  #: 423, two seconds at a time
    DAILY = "daily quota used up"  #: 429 DAILY
    MIGRATION = "account is being migrated"  #: 477, up to a day
    TOKEN = "token refused"  # noqa: S105
    SCOPE = "scope missing"
    ADDRESS = "wrong address"
    NETWORK = "a certificate or proxy prevents the connection"  #: a certificate, a proxy
    ID_PROPERTY = "id property not unique"
    PROPERTY = "property cannot be written"
    LINKS = "HubSpot refuses all links"
    LABEL = "a label of links does not exist"
    OUTAGE = "no request succeeds"
    FAILURES = "too many rows failed"
    LIST = "the list cannot be filled"
    STORAGE = "the disk refuses writes"
    RESULTS = "another program has changed the results file"
    SOURCE = "the source cannot be read further"
    CUT_OFF = "the source may be cut off"
    SIGNAL = "interrupted"
    CANARY = "the canary waits for approval"
    DURATION = "--max-duration has passed"
    LIMIT = "--limit is reached"


#: Causes that end by themselves after hours. Settings decide whether the run pauses or stops.
LONG_PAUSES = frozenset({Cause.DAILY, Cause.MIGRATION})


class StopRun(Exception):  # noqa: N818  # a decision on its way up, not an error
    """Ends the run: no batch can or should succeed now. What is open stays open."""

    def __init__(self, cause: Cause, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason
