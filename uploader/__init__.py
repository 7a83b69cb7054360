"""Bulk upload of contacts into HubSpot, with every row accounted for. The public API lives here.

from uploader import Uploader, upload

summary = await upload("contacts.csv", token=...)

async with Uploader(token=..., checkpoint="crm.checkpoint") as job:
    async for row in job.run(rows):
        print(row.key, row.outcome)
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uploader.api.features import check, failures, failures_sync, preview, undo, verify
    from uploader.api.options import ConnectionOptions, Options
    from uploader.api.preparation import Rows, Source
    from uploader.api.reports import CheckReport, PreviewReport, UndoReport, VerifyReport
    from uploader.api.sync import check_sync, preview_sync, undo_sync, upload_sync, verify_sync
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
    from uploader.storage.failed_rows import FailedRow
    from uploader.undo.plan import UndoOutcome
    from uploader.verify.judge import Verdict

from uploader.version import __version__

__all__ = [
    "Account",
    "CheckReport",
    "CheckpointError",
    "ConnectionOptions",
    "DeclinedError",
    "FailedRow",
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
    "PreviewReport",
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
    "UndoOutcome",
    "UndoReport",
    "Uploader",
    "UploaderError",
    "Verdict",
    "VerifyReport",
    "__version__",
    "check",
    "check_sync",
    "failures",
    "failures_sync",
    "preview",
    "preview_sync",
    "undo",
    "undo_sync",
    "upload",
    "upload_sync",
    "verify",
    "verify_sync",
]

#: Imported when somebody names them: `uploader --help` does not load what it does not use.
_MODULES = {
    "Account": "hubspot.account",
    "CheckReport": "api.reports",
    "ConnectionOptions": "api.options",
    "FailedRow": "storage.failed_rows",
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
    "PreviewReport": "api.reports",
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
    "UndoOutcome": "undo.plan",
    "UndoReport": "api.reports",
    "Uploader": "api.uploader",
    "Verdict": "verify.judge",
    "VerifyReport": "api.reports",
    "check": "api.features",
    "check_sync": "api.sync",
    "failures": "api.features",
    "failures_sync": "api.features",
    "preview": "api.features",
    "preview_sync": "api.sync",
    "undo": "api.features",
    "undo_sync": "api.sync",
    "upload": "api.uploader",
    "upload_sync": "api.sync",
    "verify": "api.features",
    "verify_sync": "api.sync",
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


class _Public(ModuleType):
    """`check`, `preview`, `undo` and `verify` are functions here, and packages with modules to import.

    Importing such a package would put it in the place of the function of its name.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Public
