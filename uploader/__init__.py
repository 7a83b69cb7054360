"""Bulk upload of contacts into HubSpot, with every row accounted for. The public API lives here.

from uploader import Uploader, upload

summary = await upload("contacts.csv", token=...)

async with Uploader(token=..., checkpoint="crm.checkpoint") as job:
    async for row in job.run(rows):
        print(row.key, row.outcome)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uploader.api.options import Options
    from uploader.api.preparation import Rows, Source
    from uploader.api.uploader import OutcomeStream, Uploader, upload
    from uploader.canary.assessment import Review
    from uploader.errors import (
        CheckpointError,
        DeclinedError,
        SettingsError,
        SourceError,
        StoppedError,
        StorageError,
        UploaderError,
    )
    from uploader.hubspot.account import Account
    from uploader.hubspot.proxy import Network
    from uploader.hubspot.sign_in.token_renewal import OAuth, TokenCommand, TokenFile
    from uploader.jobs.row_outcome import RowOutcome
    from uploader.jobs.summary import JobState, Summary
    from uploader.model.associations import LinkColumn
    from uploader.model.outcomes import Outcome
    from uploader.pipeline.failure_limits import FailureLimit, Tolerance
    from uploader.pipeline.rate.daily_quota import Reserve
    from uploader.pipeline.rate.limiter import Quota
    from uploader.records.duplicates import OnDuplicate
    from uploader.records.suppression_list import Suppression
    from uploader.records.write_policy import Only, Policy
    from uploader.settings import Settings
    from uploader.settings.speed import OnLongPause
    from uploader.sources.python_rows import Row

from uploader.version import __version__

__all__ = [
    "Account",
    "CheckpointError",
    "DeclinedError",
    "FailureLimit",
    "JobState",
    "LinkColumn",
    "Network",
    "OAuth",
    "OnDuplicate",
    "OnLongPause",
    "Only",
    "Options",
    "Outcome",
    "OutcomeStream",
    "Policy",
    "Quota",
    "Reserve",
    "Review",
    "Row",
    "RowOutcome",
    "Rows",
    "Settings",
    "SettingsError",
    "Source",
    "SourceError",
    "StoppedError",
    "StorageError",
    "Summary",
    "Suppression",
    "TokenCommand",
    "TokenFile",
    "Tolerance",
    "Uploader",
    "UploaderError",
    "__version__",
    "upload",
]

#: Imported when somebody names them: `uploader --help` does not load what it does not use.
_MODULES = {
    "Account": "hubspot.account",
    "FailureLimit": "pipeline.failure_limits",
    "JobState": "jobs.summary",
    "LinkColumn": "model.associations",
    "Network": "hubspot.proxy",
    "OAuth": "hubspot.sign_in.token_renewal",
    "OnDuplicate": "records.duplicates",
    "OnLongPause": "settings.speed",
    "Only": "records.write_policy",
    "Options": "api.options",
    "Outcome": "model.outcomes",
    "OutcomeStream": "api.uploader",
    "Policy": "records.write_policy",
    "Quota": "pipeline.rate.limiter",
    "Reserve": "pipeline.rate.daily_quota",
    "Review": "canary.assessment",
    "Row": "sources.python_rows",
    "RowOutcome": "jobs.row_outcome",
    "Rows": "api.preparation",
    "Settings": "settings",
    "Source": "api.preparation",
    "Summary": "jobs.summary",
    "Suppression": "records.suppression_list",
    "TokenCommand": "hubspot.sign_in.token_renewal",
    "TokenFile": "hubspot.sign_in.token_renewal",
    "Tolerance": "pipeline.failure_limits",
    "Uploader": "api.uploader",
    "upload": "api.uploader",
}


def __getattr__(name: str) -> object:
    module = "errors" if name.endswith("Error") and name in __all__ else _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'uploader' has no attribute {name!r}")
    value: object = getattr(import_module(f"uploader.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
