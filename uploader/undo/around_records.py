"""What the undos of a job's list and of its links share: the lock, the thread of their file, the account."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from uploader.errors import CheckpointError
from uploader.hubspot.account import Account
from uploader.jobs.early_ending import Ending
from uploader.jobs.session import Seams
from uploader.model.records import OWN_ID
from uploader.model.stop import StopRun
from uploader.settings import Settings
from uploader.system.blocking_calls import Offload
from uploader.system.private_files import Lock


async def run_locked(
    checkpoint: Path, seams: Seams, ending: Ending, work: Callable[[Offload], Awaitable[None]]
) -> None:
    """Run `work`, given the file's thread, while no other process works on the job. CheckpointError if one
    does.
    """
    writer = seams.offload("writer")
    try:
        with ExitStack() as stack:
            lock = Lock(checkpoint)
            lock.acquire()
            stack.callback(lock.release)
            stack.callback(writer.finish)
            with suppress(StopRun):
                await work(writer)
    finally:
        writer.close()
    if ending.crash is not None:
        raise ending.crash


def check_portal(file: Path, portal: str, account: Account) -> None:
    """CheckpointError if a file of a job in one account would be undone in another one."""
    if not portal or portal != account.portal:
        raise CheckpointError(
            f"{file.name} belongs to account {portal or 'unknown'}, this token to account "
            f"{account.portal or 'unknown'}; use a token of account {portal or 'of the job'}"
        )


def settings_for(file: Path, checkpoint: Path, object_type: str, **options: object) -> Settings:
    """Settings for the account and object type of a job; `options` are this invocation's."""
    return Settings(
        sources=(str(file),),
        checkpoint=checkpoint,
        write_results=False,
        match=(OWN_ID,),
        object_type=object_type,
        **options,  # type: ignore[arg-type]  # fields of Settings by name
    )
