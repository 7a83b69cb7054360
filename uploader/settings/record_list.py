"""Settings of the list that a job's records are put into. Raise `SettingsError`."""

from dataclasses import dataclass

from uploader.errors import SettingsError
from uploader.hubspot.object_types import type_id

_MOST_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class ListSettings:
    __slots__ = ()  # `Settings` has them

    add_to_list: str = ""  #: name of a static list, which is made if there is none; "": no list

    def _check_list(self, object_type: str) -> None:
        name = self.add_to_list
        if not name:
            return
        if name != name.strip() or not name.isprintable() or len(name) > _MOST_CHARACTERS:
            raise SettingsError(
                f"--add-to-list {name!r} is not the name of a list: up to {_MOST_CHARACTERS} characters in "
                "one line, without spaces around it"
            )
        if not type_id(object_type):
            raise SettingsError(
                f"--add-to-list needs the id of the object type: use --object-type with it (such as "
                f"2-123456) instead of {object_type!r}"
            )
