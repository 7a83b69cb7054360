"""How many files and connections this process may have open."""

from contextlib import suppress

#: More than the most requests that are in flight by default, and the files of a job. macOS begins with 256.
_WANTED = 4_096


def allow_many_open_files() -> None:
    """Raise the limit of this process as far as its user may."""
    with suppress(ImportError, OSError, ValueError):  # ImportError: on Windows
        import resource  # noqa: PLC0415

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
