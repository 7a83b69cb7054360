"""HTML pages: made of the templates in `uploader.report`, and written to private files."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from uploader.errors import SettingsError
from uploader.model.counted import counted
from uploader.report.content import share_text
from uploader.system.whole_file import write_whole
from uploader.version import __version__

#: What tells a page of uploader from other files.
_MARK = '<meta name="generator" content="uploader '


def page_of(template: str, content: Mapping[str, Any]) -> bytes:
    """A page, of a template and its variables. All texts are escaped."""
    # Imported here: only commands that write a page need it.
    from jinja2 import Environment, FunctionLoader  # noqa: PLC0415

    folder = files("uploader.report")
    loader = FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8"))
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["counted"] = counted
    environment.filters["share"] = share_text
    environment.filters["options"] = _options
    made_at = clock(datetime.now(UTC).timestamp())
    page = environment.get_template(template).render(
        content, mark=_MARK, version=__version__, made_at=made_at
    )
    return page.encode("utf-8", "replace")


def _options(text: str) -> str:
    """A text as HTML in which no option is broken at its hyphens."""
    from markupsafe import Markup, escape  # noqa: PLC0415  # as above

    return Markup(_OPTION.sub(r'<span class="option">\g<0></span>', str(escape(text))))  # noqa: S704  # escaped


_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def write_page(path: Path, page: bytes) -> None:
    """Write a private file in one step. Only a page of uploader is replaced, not another file or a link."""
    refuse_foreign_page(path)
    write_whole(path, page)


def refuse_foreign_page(path: Path) -> None:
    """SettingsError if a page must not or cannot be written there."""
    if path.is_symlink() or (path.exists() and not _is_page(path)):
        raise SettingsError(f"{path} is not a page written by uploader; choose another file")
    if not path.absolute().parent.is_dir():
        raise SettingsError(f"{path}: the folder does not exist")


def _is_page(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _MARK.encode() in file.read(1_000)
    except OSError:
        return False


def clock(seconds: float) -> str:
    """A moment as it is shown on a page."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
