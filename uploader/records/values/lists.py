"""Lists of values as one text. HubSpot separates the values of a property by `;`."""

from collections.abc import Callable, Iterable

from uploader.model.rows import Fault


def join_list(texts: Iterable[str]) -> str | Fault:
    """Return the texts that are not blank, joined by `;`. A leading `;` would add to the values held."""
    stripped = [text for raw in texts if (text := raw.strip())]
    if any(";" in text for text in stripped):
        return Fault("holds a list with a `;` in a value, which separates values in HubSpot")
    return ";".join(stripped)


def convert_parts(text: str, convert: Callable[[str], str | Fault]) -> str | Fault:
    """Convert each part separately. A leading `;` tells HubSpot to add to the values it holds."""
    parts = [part for raw in text.split(";") if (part := raw.strip())]
    found = [convert(part) for part in parts]
    faults = {part: why for part, why in zip(parts, found, strict=True) if isinstance(why, Fault)}
    if faults:
        part, why = next(iter(faults.items()))
        texts = tuple(faults)
        return (
            why
            if part == text
            else Fault(f"holds {part[:40]!r}, which {why.reason}", why.category, "", texts)
        )
    if not found:
        return Fault("has no option", "OPTION")
    listed = [str(one) for one in found if one]
    return (";" if text.startswith(";") and listed else "") + ";".join(listed)
