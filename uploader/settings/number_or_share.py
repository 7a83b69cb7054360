"""A number or a share, parsed for the options of several sections. Raise `SettingsError`."""

import re

from uploader.errors import SettingsError


def parse_number_or_share(option: str, text: str) -> tuple[int | None, float | None]:
    """Read `N` or `P%`: a count or a share, the other is None."""
    found = re.fullmatch(r"(\d{1,12})|(\d{1,3}(?:\.\d{1,6})?)%", text.strip())
    if not found or (found[2] and float(found[2]) > 100):
        raise SettingsError(f"{option} {text!r} is neither a number nor a percentage such as 5%")
    return (int(found[1]), None) if found[1] else (None, float(found[2]) / 100)
