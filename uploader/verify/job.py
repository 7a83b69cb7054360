"""One verification of a job by its checkpoint, with the later jobs that uploaded its failed rows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uploader.jobs.session import Seams
from uploader.settings import Settings
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.output_files import refuse_foreign
from uploader.system.sqlite import remove_database
from uploader.verify.corrections import Correction, find_corrections
from uploader.verify.differences import FORMER_HEADER, Examples, write_differences
from uploader.verify.result_file import write_result
from uploader.verify.run import Report, Verification, find_sources, job_settings


@dataclass(frozen=True, slots=True)
class OpenedJob:
    """A job to be verified."""

    settings: Settings
    checkpoint: Checkpoint
    corrections: Sequence[Correction]
    left_out: Sequence[str]  #: later jobs that do not count, and why, as lines
    output: Path  #: of the list of differences

    def verification(self, sample: int | None, seams: Seams | None = None) -> Verification:
        """`sample`: verify only so many records."""
        return Verification(
            self.settings, self.checkpoint, seams, sample=sample, corrections=self.corrections
        )

    @property
    def sources(self) -> list[str]:
        """The names of the sources, with those of later jobs."""
        jobs = [self.checkpoint, *(one.checkpoint for one in self.corrections)]
        return [source.name for job in jobs for source in job.identity().sources]


@contextmanager
def open_job(
    checkpoint: Path,
    *,
    sources: Sequence[str] = (),
    output: Path | None = None,
    restart: bool = False,
    connection: Mapping[str, Any],
) -> Iterator[OpenedJob]:
    """Open a job. `sources`: where they are now, if they were moved. `connection`: fields of `Settings` for
    the account and the speed.
    """
    usual = checkpoint.with_name(f"{checkpoint.name.removesuffix('.checkpoint')}.differences.csv")
    output = output or usual
    refuse_foreign(output, FORMER_HEADER, "no list of differences")
    with ExitStack() as stack:
        opened = stack.enter_context(closing(Checkpoint.open(checkpoint, read_only=True)))
        identity = opened.identity()
        settings = job_settings(
            identity,
            opened,
            sources=find_sources(identity, opened, tuple(sources)),
            restart=restart,
            **connection,
        )
        corrections, left_out = find_corrections(opened, stack, **connection)
        yield OpenedJob(settings, opened, corrections, left_out, output)


async def verify_job(
    job: OpenedJob, run: Verification, *, keeps_empty: bool = False
) -> tuple[Report, Examples]:
    """Run the verification of a job, and list the differences. `keeps_empty`: also write an empty list."""
    with closing(run.file):
        report = await run.run()
        if report.end is not None:
            return report, Examples()
        examples = write_differences(run, job.output, job.sources, keeps_empty=keeps_empty)
        remove_database(run.file.path)  # complete: the next verification reads all again
        write_result(job.checkpoint.path, job.checkpoint.job_id(), run.seams.wall_clock().timestamp(), report)
        return report, examples
