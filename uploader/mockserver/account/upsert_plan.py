"""Decides a batch upsert: which records can be written, and why the others cannot. Nothing is written.

In    the inputs as read, the records as they are, the rules in force.
Out   a `Decision`: an `Answer` that refuses the whole batch, or writes and refusals, one for every input.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from uploader.mockserver.account.admin_validation_rules import Validation
from uploader.mockserver.account.behaviour_switches import Pipeline, Rules
from uploader.mockserver.account.default_properties import options_of, stage_names
from uploader.mockserver.account.object_types import Kind
from uploader.mockserver.account.properties import (
    MAX_VALUE_CHARACTERS,
    Catalogue,
    Problem,
    does_not_exist,
    invalid_option,
    normalise,
)
from uploader.mockserver.account.respelling import respelled
from uploader.mockserver.account.store import Record, Records
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.batch_request import Input, find_duplicates
from uploader.mockserver.bodies.error_bodies import Answer, RecordError
from uploader.mockserver.faults.scenario import Reject


class Write(NamedTuple):
    """An input that will be written."""

    input: Input
    record: Record | None  #: None: a new one
    values: dict[str, str]  #: as they will be stored


class Refusal(NamedTuple):
    """An input that is refused, and why."""

    input: Input
    error: RecordError


@dataclass(frozen=True, slots=True)
class Decision:
    """What a batch upsert does with its inputs."""

    refused: Answer | None = None  #: the whole batch, nothing written
    writes: Sequence[Write] = ()
    refusals: Sequence[Refusal] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upserter:
    """Decides batch upserts of one object type."""

    kind: Kind
    catalogue: Catalogue
    records: Records
    rules: Rules
    portal_id: int
    country_code: str = ""  #: of phone numbers without one
    strict_datetimes: bool = False
    validations: Sequence[Validation] = ()  #: in force on this path
    rejections: Mapping[int, Reject] | None = None
    pipelines: Sequence[Pipeline] = ()
    creates: bool = False  #: every input is a new record, whatever its key

    def decide(self, inputs: Sequence[Input]) -> Decision:
        if refused := self._check_batch(inputs):
            return Decision(refused=refused)
        writes: list[Write] = []
        refusals: list[Refusal] = []
        taken: set[tuple[str, str]] = set()
        for place, one in enumerate(inputs):
            judged = self._reject(place, one) or self._judge(one, taken)
            if isinstance(judged, Write):
                writes.append(judged)
            else:
                refusals.append(judged)
        if refusals and (refused := self._refuse_all(inputs, refusals)):
            return Decision(refused=refused)
        return Decision(None, writes, refusals)

    def knows(self, one: Input) -> bool:
        """Whether the input's record exists."""
        is_refused = self._check_batch([one]) is not None  # for another reason
        return is_refused or self._find(one.id_property, normalise(one.key)) is not None

    def _check_batch(self, inputs: Sequence[Input]) -> Answer | None:
        """The answer that refuses the batch even if it has trace ids."""
        if self.creates:
            return None
        for name in dict.fromkeys(one.id_property for one in inputs):
            if name and name not in self.catalogue.unique:
                return error_bodies.non_unique_property(name, self.kind)
        repeated = find_duplicates(inputs, normalised=self.rules.duplicate_ids == "normalised")
        return error_bodies.duplicate_ids(repeated) if repeated else None

    def _refuse_all(self, inputs: Sequence[Input], refusals: Sequence[Refusal]) -> Answer | None:
        if self._are_traced(inputs):
            clash = next((r for r in refusals if r.error.is_conflict), None)
            if clash is None or self.rules.conflict == "record":
                return None
            return self._answer(clash)
        problems = [problem for refusal in refusals for problem in refusal.error.problems]
        if problems:
            return error_bodies.invalid_values(problems, self.portal_id)
        return self._answer(next((r for r in refusals if not r.error.is_conflict), refusals[0]))

    def _answer(self, refusal: Refusal) -> Answer:
        shape = self.rules.conflict_body
        return error_bodies.refusal(refusal.error, refusal.input.key, self.portal_id, shape, self.kind)

    def _are_traced(self, inputs: Sequence[Input]) -> bool:
        """Whether errors are reported per record: only if the trace ids are unique."""
        traced = [one.trace_id for one in inputs if one.trace_id]
        if not self.rules.multi_status or len(set(traced)) < len(traced):
            return False
        if self.rules.email_refuses_partial and any(one.id_property == "email" for one in inputs):
            return False
        return len(traced) == len(inputs) or (bool(traced) and self.rules.mixed_trace_ids == "record")

    def _reject(self, place: int, one: Input) -> Refusal | None:
        ordered = self.rejections.get(place) if self.rejections else None
        if ordered is None:
            return None
        if ordered.code is None:
            return Refusal(
                one, RecordError(ordered.category, ordered.message, existing_id=ordered.existing_id)
            )
        return self._invalid(one, [Problem(ordered.property, ordered.code, ordered.message)])

    def _judge(self, one: Input, taken: set[tuple[str, str]]) -> Write | Refusal:
        key = normalise(one.key)
        record = None if self.creates else self._find(one.id_property, key)
        if record is None and not one.id_property and not self.creates:
            return Refusal(one, RecordError("OBJECT_NOT_FOUND", f"Object not found. objectId: {one.key}"))
        values, problems = self._check_values(one)
        if record is None and not self.creates:
            problems += self._add_key(one, values)
        problems += self._check_stage(values, record)
        broken = (rule.check(values, new=record is None) for rule in self.validations)
        problems += [problem for problem in broken if problem is not None]
        if problems:
            return self._invalid(one, problems)
        return self._claim(one, key, record, values, taken)

    def _claim(
        self,
        one: Input,
        key: str,
        record: Record | None,
        values: dict[str, str],
        taken: set[tuple[str, str]],
    ) -> Write | Refusal:
        """The write, or a 409: two inputs lead to one record, or a unique value is taken."""
        claims = set() if self.creates else {(one.id_property, key)}
        claims.update((name, normalise(values[name])) for name in self.catalogue.unique if values.get(name))
        owners = [self.records.owner(name, value) for name, value in claims if name]
        in_the_way = next((owner for owner in owners if owner is not None and owner is not record), None)
        if record is not None:
            claims.add(("", str(record.id)))
        if in_the_way is None and taken.isdisjoint(claims):
            taken |= claims
            return Write(one, record, values)
        known = in_the_way or record
        existing_id = str(known.id) if known is not None else None
        message = error_bodies.conflict_message(existing_id, self.kind)
        return Refusal(one, RecordError("CONFLICT", message, existing_id=existing_id))

    def _find(self, id_property: str, key: str) -> Record | None:
        if id_property:
            return self.records.owner(id_property, key)
        found = self.records.by_id(key)
        return None if found is None or found.archived else found

    def _check_values(self, one: Input) -> tuple[dict[str, str], list[Problem]]:
        values: dict[str, str] = {}
        problems: list[Problem] = []
        plain = self.catalogue.plain
        for name, value in one.properties.items():
            if value is None:
                continue  # answers 200 and changes nothing
            if name in plain and len(value) <= MAX_VALUE_CHARACTERS and not self.rules.respells:
                values[name] = value
                continue
            checked = self._check_value(name, value)
            if isinstance(checked, Problem):
                problems.append(checked)
            else:
                values[name] = checked
        return values, problems

    def _check_value(self, name: str, value: str) -> str | Problem:
        known = self.catalogue.by_name.get(name)
        if known is None:
            return does_not_exist(name)
        checked = known.check(value, strict_datetimes=self.strict_datetimes)
        if isinstance(checked, Problem) and checked.code == "INVALID_OPTION" and self.rules.option_text_bytes:
            return invalid_option(known, value, at_least_bytes=self.rules.option_text_bytes)
        if isinstance(checked, str) and checked and self.rules.respells:
            return respelled(known, checked, self.country_code)
        return checked

    def _check_stage(self, values: Mapping[str, str], record: Record | None) -> list[Problem]:
        """A stage belongs to the pipeline that is written with it, else the record's, else the first one."""
        pipeline_name, stage_name = stage_names(self.kind)
        stage = values.get(stage_name)
        if not stage or self.rules.foreign_stages == "stored":
            return []
        held = record.properties.get(pipeline_name, "") if record is not None else ""
        own = values.get(pipeline_name) or held or next((one.id for one in self.pipelines), "")
        for one in self.pipelines:
            options = options_of(one.stages)
            if one.id == own and stage not in {option.value for option in options}:
                return [invalid_option(replace(self.catalogue.by_name[stage_name], options=options), stage)]
        return []

    def _add_key(self, one: Input, values: dict[str, str]) -> list[Problem]:
        """Store the key even if `properties` lacks it."""
        if values.get(one.id_property):
            return []
        checked = self._check_value(one.id_property, one.key)
        if isinstance(checked, Problem):
            return [] if one.properties.get(one.id_property) else [checked]
        values[one.id_property] = checked
        return []

    def _invalid(self, one: Input, problems: Sequence[Problem]) -> Refusal:
        message = error_bodies.problems_message(problems, self.portal_id)
        return Refusal(one, RecordError("VALIDATION_ERROR", message, problems))
