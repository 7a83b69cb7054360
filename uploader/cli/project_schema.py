"""The JSON Schema of the project file, made of the options of `upload` and the keys of the mapping file."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import click

from uploader.cli.options.parameters import NOT_IN_A_FILE, ONE_RUN, Kind, Taken, key_of, option_of, taken_by
from uploader.cli.options.project import PROJECT_OPTION
from uploader.cli.plans.sections import OF_THE_PLAN, STEP
from uploader.records.associations.link_columns import DETAILS
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
_OF_STEPS = "The steps of a plan, which migrate runs. Keys above them hold for all."
_OF_NAME = "What the step is called. Default: its object_type."
_OF_LINK = "The step whose records the values name, by its key."
_SOURCES = "Paths, patterns or URLs of the sources. Paths are relative to this file."


def project_schema(upload: click.Command) -> dict[str, Any]:
    """The schema. `upload`: the command whose parameters are the keys."""
    options = {key_of(one): one for one in upload.params if option_of(one) != PROJECT_OPTION}
    known = {
        key: _schema_of(one)
        for key, one in options.items()
        if option_of(one) not in ONE_RUN.keys() | NOT_IN_A_FILE.keys()
    }
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
        "properties": {**known, STEP: _steps_schema(known)},
        "additionalProperties": False,
    }


def _steps_schema(known: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the steps of a plan. `known`: the keys of a project file."""
    keys = {key: {"$ref": f"#/properties/{key}"} for key in known if key not in OF_THE_PLAN}
    of_all, of_a_column = key_schemas()
    columns = deepcopy(of_all["columns"])
    for one in columns["additionalProperties"]["anyOf"]:
        if one.get("type") == "object":
            one["properties"] = {**of_a_column, STEP: {"type": "string", "description": _OF_LINK}}
            either = {"anyOf": [{"required": [key]} for key in ("associate", STEP)]}
            one["dependencies"] |= dict.fromkeys(DETAILS, either)
    keys["columns"] = {"description": _OF_COLUMNS, **columns}
    step = {
        "type": "object",
        "properties": {"name": {"type": "string", "description": _OF_NAME}, **keys},
        "additionalProperties": False,
    }
    return {"description": _OF_STEPS, "type": "array", "items": step, "minItems": 1}


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
