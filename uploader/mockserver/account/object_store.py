"""The records, properties and links of one object type. No I/O."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from uploader.mockserver.account.associations.links import Links
from uploader.mockserver.account.default_properties import properties_of
from uploader.mockserver.account.object_types import KINDS, Kind
from uploader.mockserver.account.owners import Owners
from uploader.mockserver.account.properties import Catalogue, Property, normalise
from uploader.mockserver.account.store import FIRST_ID, IDS_OF_A_TYPE, Record, Records
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.error_bodies import Answer
from uploader.mockserver.faults.scenario import Scenario


class ObjectStore:
    """The records and properties of one object type."""

    def __init__(self, kind: Kind, scenario: Scenario, owners: Owners, links: Links) -> None:
        self.kind = kind
        self._links = links
        first_id = FIRST_ID + KINDS.index(kind) * IDS_OF_A_TYPE
        self.records = Records((), first_id=first_id, shared="domain" if kind.name == "companies" else "")
        self._made: dict[str, Property] = {}  # by clients
        self._archived: dict[str, Property] = {}
        self.change_scenario(scenario, owners)

    def change_scenario(self, scenario: Scenario, owners: Owners) -> None:
        self._scenario, self._owners = scenario, owners
        default = properties_of(self.kind, scenario.properties, owners.user_ids, scenario.pipelines)
        named = {one.name: one for one in default if one.name not in self._archived} | self._made
        self.catalogue = Catalogue(list(named.values()))
        catalogue, stages = self.catalogue, self.catalogue.stages
        self.kind = self.kind.with_stages(stages)
        advancing = stages if scenario.rules.lifecycle == "forward" else ()
        self.records.change_properties(catalogue.unique, catalogue.multiple, self.kind.derived, advancing)

    def add_properties(self, made: Iterable[Property]) -> None:
        """Add properties that a client created."""
        for one in made:
            self._made[one.name] = one
            self._archived.pop(one.name, None)
        self.change_scenario(self._scenario, self._owners)

    def archive_properties(self, names: Iterable[str], at: str) -> None:
        """Archive properties. Unknown ones are no error."""
        for name in names:
            if (found := self.catalogue.by_name.get(name)) is not None:
                self._archived[name] = replace(found, archived_at=at)
                self._made.pop(name, None)
        self.change_scenario(self._scenario, self._owners)

    @property
    def hidden(self) -> set[str]:
        """The sensitive properties whose values the token may not read. That reads omit them is assumed."""
        scopes, levels = self._scenario.auth.scopes, self.catalogue.sensitive.items()
        return {name for name, level in levels if self.kind.sensitive_scope(level, "read") not in scopes}

    def lacks_scope(self, sensitivities: Collection[str], verb: str) -> Answer | None:
        """The refusal of a request for such properties, unless the token has the scopes. That a token without
        them is refused is assumed; only the scopes are documented.
        """
        levels = sorted({*sensitivities} - {"non_sensitive"})
        needed = [self.kind.sensitive_scope(one, verb) for one in levels]
        missing = [scope for scope in needed if scope not in self._scenario.auth.scopes]
        shape = self._scenario.rules.scope_error_shape
        return error_bodies.missing_scopes(missing, shape) if missing else None

    @property
    def archived_properties(self) -> Sequence[Property]:
        return list(self._archived.values())

    def known(self, named: Mapping[str, Any]) -> Record:
        """The live record with the `id` or a unique value in `named`. ValueError if there is none."""
        if "id" in named:
            record = self.live(str(named["id"]))
            if record is not None:
                return record
        for name in sorted(self.catalogue.unique & named.keys()):
            if (record := self.records.owner(name, normalise(str(named[name])))) is not None:
                return record
        raise ValueError(f"no {self.kind.singular.lower()} is known by {dict(named)!r}")

    def live(self, record_id: str) -> Record | None:
        """The live record with this id, or the one that it was merged into."""
        record = self.records.by_id(record_id)
        return None if record is None or record.archived else record

    def archive(self, record: Record, at: str) -> None:
        """Archive a record; its links end."""
        self.records.archive(record, at)
        self._links.drop(self.kind.name, record.id)

    def merge(self, primary: Record, other: Record, at: str) -> Record:
        """Merge two records; the new one has the links of both."""
        made = self.records.merge(primary, other, at)
        for old in (primary, other):
            self._links.move(self.kind.name, old.id, made.id)
        return made
