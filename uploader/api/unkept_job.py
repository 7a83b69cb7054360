"""`checkpoint=None`: a job of a program's rows that keeps no files, so that it cannot be resumed.

Its working files are those of every job, in a private temporary folder that is removed when the job ends. So
all counts are made in the same way, and memory stays bounded. A process that is killed leaves the folder.
"""

from collections.abc import Mapping
from typing import Any

from uploader.errors import SettingsError

#: Settings that are of no use without files that stay; one that is off in this way may be given.
_NEED_FILES: Mapping[str, object] = {
    "checkpoint_dir": None,
    "job_name": "",
    "results": None,
    "restart": False,
    "accept_changed_settings": False,
    "accept_changed_results": False,
    "snapshot": False,
    "add_to_list": "",
    "canary": None,
    "approve_canary": False,
}


def is_unkept(options: Mapping[str, Any]) -> bool:
    """Whether a program says that nothing is kept. Leaving the checkpoint out does not say so."""
    return "checkpoint" in options and options["checkpoint"] is None


def refuse_lasting(options: Mapping[str, Any], *, earlier: bool) -> None:
    """SettingsError if something is asked for that needs files which stay after the job."""
    named = [name for name, off in _NEED_FILES.items() if options.get(name, off) != off]
    named += ["opt_outs='list'"] if options.get("opt_outs") == "list" else []
    named += ["earlier"] if earlier else []
    if named:
        raise SettingsError(
            f"{named[0]} needs files that stay after the job, and with checkpoint=None none stays; give "
            "checkpoint a path"
        )
