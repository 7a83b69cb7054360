"""The account's properties as a table and as JSON."""

from collections.abc import Iterator, Sequence

from uploader.cli.text.folding import wrapped
from uploader.cli.text.table import table_lines
from uploader.model.foreign_texts import harmless
from uploader.properties.listing import ListedProperty

_HEADER = ("name", "label", "type", "options", "notes")
#: The field types of calculated properties, which are long words: `calculation_read_time`.
_CALCULATED = "calculation_"


def property_lines(properties: Sequence[ListedProperty], width: int, *, with_options: bool) -> list[str]:
    """The table; with `with_options`, the options of each property follow."""
    lines = table_lines(_HEADER, [_cells(one) for one in properties], width)
    listed = [one for one in properties if one.options and with_options]
    return [*lines, *(line for one in listed for line in _option_lines(one, width))]


def _cells(one: ListedProperty) -> tuple[str, ...]:
    field = "calculated" if one.field_type.startswith(_CALCULATED) else one.field_type
    options = one.holds or ("" if one.options is None else f"{len(one.options):,}")
    type_ = ", ".join(part for part in (one.type, field) if part)
    return one.name, harmless(one.label), type_, options, ", ".join(_notes(one))


def _notes(one: ListedProperty) -> Iterator[str]:
    if one.is_unique:
        yield "unique"
    if one.is_read_only:
        yield "read-only"
    if one.sensitivity:
        yield one.sensitivity.replace("_", " ")
    if one.is_hidden:
        yield "hidden"


def _option_lines(one: ListedProperty, width: int) -> Iterator[str]:
    yield ""
    yield f"options of {one.name} (value: label):"
    for option in one.options or ():
        hidden = " (hidden)" if option.hidden else ""
        text = f"{harmless(option.value)}: {harmless(option.label)}{hidden}"
        yield from wrapped(text, width, "  ", "  ")


def properties_as_list(properties: Sequence[ListedProperty]) -> list[dict[str, object]]:
    """As JSON; `options` is null where the property lists none."""
    return [
        {
            "name": one.name,
            "label": one.label,
            "type": one.type,
            "field_type": one.field_type,
            "group": one.group,
            "options": None
            if one.options is None
            else [{"value": o.value, "label": o.label, "hidden": o.hidden} for o in one.options],
            "values_are": one.holds,
            "unique": one.is_unique,
            "read_only": one.is_read_only,
            "hidden": one.is_hidden,
            "sensitivity": one.sensitivity,
            "custom": one.is_custom,
        }
        for one in properties
    ]
