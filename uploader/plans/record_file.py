"""The file of a plan's record, beside the plan. One process at a time holds it."""

import os
from pathlib import Path

from uploader.errors import CheckpointError, SettingsError
from uploader.plans.record import Record, decoded, encoded
from uploader.system.private_files import Lock, open_plain
from uploader.system.whole_file import write_whole


def record_path(plan: Path) -> Path:
    return plan.with_name(f"{plan.name}.record.json")


def read_record(plan: Path) -> Record | None:
    """The record of a plan; None if the plan never wrote anything. CheckpointError if it can't be read."""
    path = record_path(plan)
    try:
        with open_plain(path) as file:
            return decoded(file.read())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(
            f"{path} cannot be used: {error}; put back what was there, or remove it: the jobs of the steps "
            "are not affected, and are continued"
        ) from error


class RecordFile:
    """The record of a plan, held from `acquire` to `release`."""

    def __init__(self, plan: Path) -> None:
        self.plan = plan
        self.record: Record | None = None
        self._lock = Lock(record_path(plan))

    def acquire(self) -> None:
        """SettingsError if the folder can't be written; CheckpointError if another process has it."""
        folder = self.plan.absolute().parent
        if not os.access(folder, os.W_OK):
            raise SettingsError(
                f"cannot write to {folder}, where the record of the plan is kept; move the plan to another "
                "folder"
            )
        self._lock.acquire()
        try:
            self.record = read_record(self.plan)
        except BaseException:
            self._lock.release()
            raise

    def write(self, record: Record) -> None:
        """Write the record to the disk. StorageError if that fails."""
        write_whole(record_path(self.plan), encoded(record))
        self.record = record

    def release(self) -> None:
        self._lock.release()

    def exists(self, path: str) -> bool:
        """Whether there is a file that the record names."""
        return (self.plan.absolute().parent / path).exists()

    def relative(self, path: Path | None) -> str:
        """A path as the record has it; "" for none."""
        return os.path.relpath(path, self.plan.absolute().parent) if path else ""
