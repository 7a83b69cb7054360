"""Locks on open files, between processes. The system releases them when the process ends, also after a kill.

`fcntl`, which Windows lacks, is imported when a lock is asked for.
"""

import io


def lock_file(file: int | io.FileIO, *, shared: bool = False) -> None:
    """Lock an open file without waiting. BlockingIOError if another process holds it, OSError if the file
    system has no locks. `shared`: others may hold it so at the same time.
    """
    import fcntl  # noqa: PLC0415  # see above

    fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
