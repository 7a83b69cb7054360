"""The result of the last complete `verify` of a job, for its report. It holds counts only."""

from pathlib import Path
from typing import Any

import orjson

from uploader.storage.file_names import verified_path
from uploader.storage.files_to_purge import VERIFIED_HEAD
from uploader.system.whole_file import write_whole
from uploader.verify.run import Report


def write_result(checkpoint: Path, job: str, ended_at: float, report: Report) -> None:
    """Replace the former result, but no other file. StorageError if it cannot be written."""
    path = verified_path(checkpoint)
    if path.is_symlink() or (path.exists() and not path.read_bytes().startswith(VERIFIED_HEAD)):
        return
    document = {
        "verified_job": job,
        "ended_at": ended_at,
        "records": report.records,
        "is_sample": report.is_sample,
        "counts": {verdict.value: count for verdict, count in report.counts.items()},
    }
    if report.links is not None:
        document["links"] = {verdict.value: count for verdict, count in report.links.counts.items()}
    write_whole(path, orjson.dumps(document))


def read_result(checkpoint: Path, job: str) -> dict[str, Any] | None:
    """The result; None if the job was not verified."""
    try:
        document = orjson.loads(verified_path(checkpoint).read_bytes())
    except (OSError, ValueError):
        return None
    is_ours = isinstance(document, dict) and document.get("verified_job") == job
    return document if is_ours and isinstance(document.get("counts"), dict) else None
