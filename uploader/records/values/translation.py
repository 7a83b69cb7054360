"""Values of a source that the user's tables replace, before anything else is made of them.

In    the trimmed text of one cell; the table of its column: word -> replacement.
Out   the replacement ("": as if the cell were blank), or the text itself.
Raise nothing because of a value.
Rules A word is compared without regard to case and surrounding blanks. A cell is replaced once: what
      replaces it is not looked up again. Of a property with several values each element is replaced, unless
      the whole cell is a word of the table. Elements are separated as `options` separates them.
"""

from collections.abc import Callable, Mapping

from uploader.hubspot.schema import Schema
from uploader.records.columns import Rules
from uploader.records.values.options import OTHER_MARKS, Choices
from uploader.records.values.wrappings import cell_text

#: Replaces the text of a cell.
Translate = Callable[[str], str]


def word(text: str) -> str:
    """The text as tables compare it."""
    return cell_text(text).casefold()


def translator(name: str, column: str, schema: Schema | None, rules: Rules) -> Translate | None:
    """Return the function that replaces the values of a column; None if the user has no table for it."""
    table = rules.translations.get(column)
    if not table:
        return None
    kind = schema.kinds.get(name) if schema else None
    if schema is None or kind is None or not kind.is_multiple:
        return lambda text: table.get(text.casefold(), text)
    options = Choices(schema.options.get(name, ()))
    return lambda text: _replace_parts(text, table, options)


def _replace_parts(text: str, table: Mapping[str, str], options: Choices) -> str:
    """Replace the whole text, or else each of its parts."""
    whole = table.get(text.casefold())
    if whole is not None or options.has(text):
        return text if whole is None else whole
    if ";" in text:
        parts = [part for raw in text.split(";") if (part := _replaced(raw.strip(), table))]
        # A leading `;` tells HubSpot to add to the values it holds.
        return (";" if text.startswith(";") and parts else "") + ";".join(parts)
    for mark in OTHER_MARKS:
        parts = [part for raw in mark.split(text) if (part := raw.strip())]
        if len(parts) > 1 and all(part.casefold() in table or options.has(part) for part in parts):
            return ";".join(filter(None, (_replaced(part, table) for part in parts)))
    return text


def _replaced(text: str, table: Mapping[str, str]) -> str:
    return table.get(text.casefold(), text)
