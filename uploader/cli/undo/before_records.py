"""What `uploader undo` undoes before the records: the list that they were put into, and their links."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uploader.cli.undo.links import links_dict, links_lines
from uploader.cli.undo.record_list import list_dict, list_lines
from uploader.undo.links import LinksReport
from uploader.undo.record_list import ListReport


@dataclass(slots=True)
class Before:
    """What was undone before the records: the list that they were put into, and their links."""

    list: ListReport | None = None
    links: LinksReport | None = None

    @property
    def _all(self) -> Sequence[ListReport | LinksReport]:
        return [one for one in (self.list, self.links) if one is not None]

    @property
    def is_empty(self) -> bool:
        return not self._all

    @property
    def is_stopped(self) -> bool:
        return any(one.end is not None for one in self._all)

    @property
    def is_dry(self) -> bool:
        return any(one.is_dry for one in self._all)

    @property
    def exit_code(self) -> int:
        """That of the last one that is not done."""
        return next((one.exit_code for one in reversed(self._all) if one.exit_code), 0)

    def as_dict(self) -> Mapping[str, object]:
        return {
            **({"list": list_dict(self.list)} if self.list else {}),
            **({"links": links_dict(self.links)} if self.links else {}),
        }

    def lines(self) -> Sequence[str]:
        return [
            *(list_lines(self.list) if self.list else ()),
            *(links_lines(self.links) if self.links else ()),
        ]
