"""A list of values as one text. HubSpot separates the values of a property by `;`."""

from collections.abc import Iterable

from uploader.model.rows import Fault


def join_list(texts: Iterable[str]) -> str | Fault:
    """Return the texts that are not blank, joined by `;`. A leading `;` would add to the values held."""
    stripped = [text for raw in texts if (text := raw.strip())]
    if any(";" in text for text in stripped):
        return Fault("holds a list with a `;` in a value, which separates values in HubSpot")
    return ";".join(stripped)
