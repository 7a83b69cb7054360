"""An id of the machine's start, which tells a kill from a power cut."""

from pathlib import Path

from uploader.system.system_programs import output_of

_ON_LINUX = Path("/proc/sys/kernel/random/boot_id")
_ON_MACOS = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")


def boot_id() -> str:
    """An id that changes with every start of the machine; "" where the system has none."""
    try:
        return _ON_LINUX.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return output_of(*_ON_MACOS).strip()
