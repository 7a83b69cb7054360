"""Find the rows that share a key, before the first one is sent."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import orjson

from uploader.errors import SourceError
from uploader.jobs.scans.survey import Step, Survey
from uploader.records.duplicates import OnDuplicate, Repeat
from uploader.records.mapper import Mapper
from uploader.sources.source import Source
from uploader.storage import duplicates_file
from uploader.storage.checkpoint import Identity
from uploader.storage.duplicates_file import Duplicates, Repeats, RepeatsWriter
from uploader.storage.file_names import duplicates_path


def rule_of(identity: Identity) -> OnDuplicate:
    """The rule for rows that share a key. Jobs of versions without this setting write all rows in order."""
    return OnDuplicate(identity.settings.get("on_duplicate", OnDuplicate.IN_ORDER))


def _job_name(identity: Identity) -> str:
    """A hash of the sources and of the settings by which their rows are compared."""
    sources = [(source.fingerprint, source.shape.format) for source in identity.sources]
    compared = orjson.dumps([sources, dict(identity.settings)], option=orjson.OPT_SORT_KEYS)
    return sha256(compared).hexdigest()


def survey_of(
    checkpoint: Path, identity: Identity, sources: Sequence[Source], mappers: Sequence[Mapper]
) -> Survey:
    """The pass of `find_duplicates`."""
    return Survey(sources, mappers, checkpoint.absolute().parent, rule=rule_of(identity))


def find_duplicates(survey: Survey, checkpoint: Path, identity: Identity) -> Iterator[Step]:
    """Find repeated keys, and write them to a file beside the checkpoint. SourceError if a source can't be
    read to its end.
    """
    path = duplicates_path(checkpoint)
    with ExitStack() as stack:
        writer: RepeatsWriter | None = None

        def keep(found: list[Repeat]) -> None:
            nonlocal writer
            if writer is None:  # all rows are read by now
                writer = RepeatsWriter(path, survey.findings.rows)
                stack.callback(writer.close)
            writer.add(found)

        yield from survey.steps(keep=keep)
        if survey.broken:
            raise SourceError(survey.broken)
        assert writer is not None
        writer.finish(_job_name(identity), survey.starts)


def open_duplicates(checkpoint: Path, identity: Identity, sources: Sequence[Source]) -> Duplicates | None:
    """Open the repeated keys that were found before; None if there are none for this job."""
    path = duplicates_path(checkpoint)
    if not duplicates_file.belongs(path, _job_name(identity)):
        return None
    return Duplicates(Repeats(path, [source.name for source in sources]), rule_of(identity))
