"""The command that installs what is missing into the environment that runs."""

import importlib.util
import shlex
import sys

#: The name of this package on a package index; the command and the import are `uploader`.
_DISTRIBUTION = "hubspot-uploader"


def install_extra(extra: str) -> str:
    """The command for the packages of an extra, in the versions that this package needs."""
    return install(f"{_DISTRIBUTION}[{extra}]")


def install(requirement: str) -> str:
    """The command for one requirement. A bare `pip` may belong to another environment."""
    python, what = shlex.quote(sys.executable), shlex.quote(requirement)
    if importlib.util.find_spec("pip") is None:  # an environment of uv
        return f"uv pip install --python {python} {what}"
    return f"{python} -m pip install {what}"
