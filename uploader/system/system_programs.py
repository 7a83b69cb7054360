"""What small programs of the system say, where no file says it: on macOS and BSD."""

import os
import subprocess

_LONGEST_SECONDS = 5.0


def output_of(*words: str) -> str:
    """What a program of the system prints; "" if there is none, or if it fails."""
    try:
        done = subprocess.run(  # noqa: S603  # words of ours
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return os.fsdecode(done.stdout) if done.returncode == 0 else ""
