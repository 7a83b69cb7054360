"""From sources and options to a job that can be started. Raise `SettingsError`."""

import os
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from uploader.api.consent import Consent
from uploader.api.keyword_settings import make_settings
from uploader.api.started_job import PreparedJob
from uploader.api.unkept_job import is_unkept, refuse_lasting
from uploader.errors import SettingsError
from uploader.jobs.outcome_stream import OutcomeQueue
from uploader.jobs.pipeline import Parts
from uploader.jobs.session import Seams
from uploader.settings import Settings
from uploader.sources import python_rows
from uploader.sources.put_rows import PutRows
from uploader.sources.python_rows import ProgramRows
from uploader.system.temporary_folder import make_folder


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are not from a file. Outcomes and the checkpoint use `name` as the name of the source.

    To resume a job, give it the same rows from the first on: rows it has settled are compared, not sent.
    A row is a mapping of columns to values, or a `Row` of such a mapping and a `ref`, which its outcome gets.
    """

    rows: python_rows.Rows
    name: str = "rows"


Source = str | os.PathLike[str] | Rows | python_rows.Rows


class Given(NamedTuple):
    """What a program gives for a job beside its sources."""

    options: Mapping[str, Any]
    consent: Consent
    seams: Seams | None
    base: Mapping[str, Any]  #: fields of `Settings` that options take precedence over


def prepare(
    sources: Sequence[Source], given: Given, *, is_followed: bool = False, earlier: bool = False
) -> PreparedJob:
    """Prepare a job of these sources. `is_followed`: somebody takes the outcomes of rows; with `earlier`,
    those of earlier runs, too.
    """
    named = [_named(source) for source in sources]
    names = tuple(one.name if isinstance(one, Rows) else one for one in named)
    rows = [one for one in named if isinstance(one, Rows)]
    if rows and given.consent.judge is not None:
        raise SettingsError(
            "judge needs a file, because rows are read again after the canary. Leave judge out: the job "
            "then stops after its canary, and continues with approve_canary=True"
        )
    if rows and is_unkept(given.options):
        settings, folder = _unkept_settings(names, [one.name for one in rows], given, earlier=earlier)
    else:
        settings = make_settings(names, (one.name for one in rows), given.options, given.base)
        folder = None
    streams = [ProgramRows(one.rows, one.name, keeps_refs=is_followed) for one in rows]
    outcome_queue = OutcomeQueue(streams, wants_earlier=earlier)
    parts = Parts(outcome_queue=outcome_queue if is_followed else None)
    run = given.consent.run(settings, given.seams, streams, parts)
    return PreparedJob(run, streams, outcome_queue, folder)


#: The name of the source of rows that are put.
_PUT = "rows"


def prepare_put(given: Given, *, is_followed: bool) -> tuple[PreparedJob, PutRows]:
    """Prepare a job whose rows are put. It keeps files only if its checkpoint has a path."""
    said = {**given.base, **given.options}
    if given.consent.judge is not None or said.get("canary"):
        what = "judge" if given.consent.judge is not None else "canary"
        raise SettingsError(f"{what} needs a job that can be resumed; leave it out where rows are put")
    if said.get("checkpoint") is None:
        settings, folder = _unkept_settings((_PUT,), [_PUT], given)
    else:
        settings, folder = make_settings((_PUT,), [_PUT], given.options, given.base), None
    rows = PutRows(_PUT, keeps_refs=is_followed)
    outcome_queue = OutcomeQueue([rows])
    parts = Parts(outcome_queue=outcome_queue if is_followed else None, wait_for_rows=rows.wait_for_more)
    run = given.consent.run(settings, given.seams, [rows], parts)
    return PreparedJob(run, [rows], outcome_queue, folder), rows


def _unkept_settings(
    names: tuple[str, ...], rows: Sequence[str], given: Given, *, earlier: bool = False
) -> tuple[Settings, Path]:
    """The settings of a job that keeps no files, and the folder of its working files."""
    refuse_lasting({**given.base, **given.options}, earlier=earlier)
    options = {**given.options, "checkpoint": _UNKEPT, "no_results": True}
    settings = make_settings(names, rows, options, given.base)
    try:
        folder = make_folder("uploader-")
    except OSError as error:
        raise SettingsError(
            f"cannot make a temporary folder ({error.strerror}), which checkpoint=None needs; set TMPDIR, or "
            "give checkpoint a path"
        ) from error
    return replace(settings, checkpoint=folder / _UNKEPT), folder


_UNKEPT = "job.checkpoint"


def _named(source: Source) -> str | Rows:
    if isinstance(source, Rows):
        _check_rows(source.rows)
        return source
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    _check_rows(source)
    return Rows(source)


def _check_rows(rows: object) -> None:
    """SettingsError for mistakes that would make every row invalid."""
    if isinstance(rows, Mapping):
        raise SettingsError("rows is a single mapping; put it into a list")
    if isinstance(rows, str | bytes | os.PathLike) or not isinstance(rows, Iterable | AsyncIterable):
        raise SettingsError(f"rows must be an iterable of mappings, not {type(rows).__name__}")
    if isinstance(rows, list | tuple) and rows and isinstance(rows[0], str | os.PathLike):
        raise SettingsError("pass several paths as several arguments: run(*paths)")
