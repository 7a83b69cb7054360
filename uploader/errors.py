"""What can end a command early: whose fault, and what to do next. Nothing here formats or exits.

An error's text is one line a user can act on. `exit_code` is part of the public interface.
"""

from typing import ClassVar


class UploaderError(Exception):
    """Base of all errors the user may see; never raised itself."""

    exit_code: ClassVar[int] = 2


class SettingsError(UploaderError):
    """An option, or a combination of options, can't be used."""


class SourceError(UploaderError):
    """A source can't be read at all. (A row that can't be read is `invalid`, not an error.)"""


class CutOffError(SourceError):
    """A stream ends without a line break after its last row, as it does where its writer was cut off."""


class ChangedRowsError(SourceError):
    """The rows of a source are not those that the job has read before."""


class RowLimitError(SourceError):
    """As many rows were read as the user wants, and more follow."""


class CheckpointError(UploaderError):
    """The checkpoint or the results file can't be used as it is."""


class UndoneCanaryError(CheckpointError):
    """The rows of a canary that is not approved were undone: the job can only begin anew."""


class DeclinedError(UploaderError):
    """The user was asked and declined: nothing was written from then on."""


class StoppedError(UploaderError):
    """A row was put into a job that has ended early; `Uploader.summary` says how."""


class StorageError(UploaderError):
    """The disk refused a write while the job ran: what could not be stored stays open."""

    exit_code = 78


class BusyError(StorageError):
    """Another process reads the file and locks it meanwhile: writing succeeds once it has ended."""


class ResultsChangedError(StorageError):
    """Another program has changed, moved or replaced the results file while the job ran."""


class AccountingError(UploaderError):
    """The sums do not add up: a bug of ours, and the run says so instead of going on."""

    exit_code = 70
