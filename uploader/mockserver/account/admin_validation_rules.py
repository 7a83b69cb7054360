"""The validation rules that an account's admins set, which the paths of 2026-09 enforce. Pure.

    [[validations]]
    property = "score"
    rule = "MAX_NUMBER"           # MAX_LENGTH, MIN_LENGTH, REGEX, MIN_NUMBER, MAX_NUMBER, ALPHANUMERIC
    arguments = ["100"]
    object_type = "contacts"      # the default

`rule = "REQUIRED"` stands for the required fields of the create form: a new record must have the property.
The rules' names are documented, and that breaking one answers 400 with VALIDATION_ERROR; the code and the
words of that answer are assumed, as is that an empty value, which clears, breaks none but REQUIRED.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from uploader.mockserver.account.object_types import find_kind
from uploader.mockserver.account.properties import Problem
from uploader.mockserver.faults.toml_tables import ScenarioError


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """One validation rule."""

    property: str
    rule: Literal["MAX_LENGTH", "MIN_LENGTH", "REGEX", "MIN_NUMBER", "MAX_NUMBER", "ALPHANUMERIC", "REQUIRED"]
    arguments: tuple[str, ...] = ()
    object_type: str = "contacts"

    def __post_init__(self) -> None:
        if find_kind(self.object_type) is None:
            raise ScenarioError(f"there is no object type {self.object_type!r}")
        if self.rule not in ("ALPHANUMERIC", "REQUIRED") and len(self.arguments) != 1:
            raise ScenarioError(f"the rule {self.rule} takes one argument, got {list(self.arguments)}")

    def check(self, values: Mapping[str, str], *, new: bool) -> Problem | None:
        value = values.get(self.property, "")
        if self.rule == "REQUIRED":
            missing = not value and (new or self.property in values)
            return self._problem(f'Property "{self.property}" is required') if missing else None
        if not value or _holds(self.rule, value, *self.arguments):
            return None
        return self._problem(f"{value} breaks the rule {self.rule} {' '.join(self.arguments)}".rstrip())

    def _problem(self, text: str) -> Problem:
        return Problem(self.property, "PROPERTY_VALIDATION_FAILED", text)


def _holds(rule: str, value: str, argument: str = "") -> bool:
    match rule:
        case "MAX_LENGTH":
            return len(value) <= int(argument)
        case "MIN_LENGTH":
            return len(value) >= int(argument)
        case "MAX_NUMBER":
            return float(value) <= float(argument)
        case "MIN_NUMBER":
            return float(value) >= float(argument)
        case "REGEX":
            return re.fullmatch(argument, value) is not None
    return value.isalnum()


def listed(rules: tuple[Validation, ...], kind_name: str) -> dict[str, Any]:
    """The reply of `property-validations`; fields that the create form requires are not in it."""
    by_property: dict[str, list[dict[str, Any]]] = {}
    for rule in rules:
        if rule.rule != "REQUIRED" and rule.object_type == kind_name:
            entry = {"ruleType": rule.rule, "ruleArguments": list(rule.arguments)}
            by_property.setdefault(rule.property, []).append(entry)
    entries = [{"propertyName": n, "propertyValidationRules": found} for n, found in by_property.items()]
    return {"results": entries}
