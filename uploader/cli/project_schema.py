"""The JSON Schema of the project file, made of the options of `upload` and the keys of the mapping file."""

from typing import Any

import click

from uploader.cli.options.parameters import ONE_RUN, Kind, Taken, key_of, option_of, taken_by
from uploader.cli.project_file import PROJECT_OPTION
from uploader.records.mapping_file import key_schemas

#: Editors know this draft.
_DRAFT = "http://json-schema.org/draft-07/schema#"
_TYPES: dict[Kind, str | list[str]] = {
    Kind.FLAG: "boolean",
    Kind.WHOLE: "integer",
    Kind.NUMBER: "number",
    Kind.TEXT: ["string", "integer"],
}
_OF_COLUMNS = "What the columns mean, and how their values are read."
_SOURCES = "Paths, patterns or URLs of the sources. Paths are relative to this file."


def project_schema(upload: click.Command) -> dict[str, Any]:
    """The schema. `upload`: the command whose parameters are the keys."""
    options = {key_of(one): one for one in upload.params if option_of(one) != PROJECT_OPTION}
    known = {key: _schema_of(one) for key, one in options.items() if option_of(one) not in ONE_RUN}
    for key, schema in key_schemas()[0].items():
        known[key] = {"description": _OF_COLUMNS, **schema}
        if key in options:  # one text for all columns, or what the option takes
            taken = _type_of(taken_by(options[key]))
            either = [schema, taken["anyOf"][-1] if "anyOf" in taken else taken]
            known[key] = {"description": _schema_of(options[key])["description"], "anyOf": either}
    return {
        "$schema": _DRAFT,
        "title": "Project file of uploader",
        "type": "object",
        "properties": known,
        "additionalProperties": False,
    }


def _schema_of(parameter: click.Parameter) -> dict[str, Any]:
    taken = taken_by(parameter)
    help_text = getattr(parameter, "help", None) or _SOURCES
    found: dict[str, Any] = {"description": help_text, **_type_of(taken)}
    usual = parameter.to_info_dict().get("default")
    if isinstance(usual, str | int | float) and usual != "" and not taken.is_list:
        found["default"] = usual
    return found


def _type_of(taken: Taken) -> dict[str, Any]:
    if taken.choices:
        return {"enum": list(taken.choices)}
    one: dict[str, Any] = {"type": "string" if taken.is_path else _TYPES[taken.kind]}
    if taken.kind is Kind.TEXT:
        one["minLength"] = 1
    return {"anyOf": [one, {"type": "array", "items": one}]} if taken.is_list else one
