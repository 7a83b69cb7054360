"""Column settings: what columns mean, how values are spelled, and which rows are suppressed.

Raise `SettingsError`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from uploader.errors import SettingsError
from uploader.hubspot.object_types import are_contacts, is_searched, noun
from uploader.model.associations import DOMAIN, NAME, LinkColumn
from uploader.model.records import EMAIL, OWN_ID
from uploader.records.associations.link_columns import check_associations, normal
from uploader.records.blank_words import words_of
from uploader.records.columns import COSTLY, LIST, OWN_ID_NAMES, SKIP, MappingError, Rules
from uploader.records.known_headers import carries_consent
from uploader.records.suppression_list import Suppression
from uploader.records.values.convert import ANY, find_zone, is_yes, lacks_consent
from uploader.records.values.datetimes import DateOrder
from uploader.records.values.options import LABEL, VALUE
from uploader.records.values.value_tables import ValueTables
from uploader.settings.opt_outs import OptOutSettings


@dataclass(frozen=True, kw_only=True)
class ColumnSettings(OptOutSettings):
    """How a row becomes a record. `rules` is the same for the mapper."""

    __slots__ = ()  # `Settings` has them

    id_property: str = EMAIL  #: the first of `match`; given alone, the only one; "id": HubSpot's own id
    match: tuple[str, ...] = ()  #: a row's key is the first of these properties that it has a value of
    object_type: str = "contacts"
    mapped: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()  #: if there are any, all other columns are left out
    cleared: frozenset[str] = frozenset()  #: columns whose blanks clear the property
    #: Words that stand for a blank, by column or ""; a column with none has not even those of all columns
    blank_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    date_orders: Mapping[str, str] = field(default_factory=dict)  #: by column; "": all other columns
    decimals: Mapping[str, str] = field(default_factory=dict)  #: "." or ",", by column or ""
    #: "value" or "label", by column or "": of a text that is one option's value and another one's label
    option_readings: Mapping[str, str] = field(default_factory=dict)
    timezones: Mapping[str, str] = field(default_factory=dict)  #: of times without a zone, by column or ""
    owner_map: Mapping[str, str] = field(
        default_factory=dict
    )  #: owner in the source -> e-mail or id in HubSpot
    #: By column: value in the source -> what replaces it before it is converted; "": a blank cell
    translations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: The same keys, as `value_tables` folds them -> where that is written, for messages
    translation_places: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    on_bad_value: Literal["reject", "drop"] = "reject"
    include_superseded: bool = False
    suppression: Suppression | None = None  #: people who must not be written to
    #: Column -> values that suppress a row; no values: yes, true and the like; "*": any value
    suppress_where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)  #: property -> its value in all records
    allowed: frozenset[str] = frozenset()  #: properties that may be written although they can cost money
    associations: tuple[LinkColumn, ...] = ()  #: columns that name records which the row's is linked to
    create_labels: bool = False  #: create the labels of links that the account does not have
    #: Types of other records that are created by their key alone if a link names one that is not there.
    create_missing: frozenset[str] = frozenset()

    def _set_keys(self) -> None:
        """Make `match` and `id_property` agree."""
        if not self.match and self.id_property == EMAIL and not are_contacts(self.object_type):
            by_search = ", or domain" if is_searched(self.object_type, DOMAIN) else ""
            raise SettingsError(
                f"--object-type {self.object_type}: give the unique property that "
                f"{noun(self.object_type).many} are matched by with --id-property{by_search} (only contacts "
                "have a default, email)"
            )
        match = tuple(map(_key_named, self.match or (self.id_property,)))
        if _key_named(self.id_property) not in {EMAIL, match[0]}:
            raise SettingsError("use either --match or --id-property, not both")
        object.__setattr__(self, "match", match)
        object.__setattr__(self, "id_property", match[0])

    def _check_names(self) -> None:
        if OWN_ID in self.match and len(self.match) > 1:
            raise SettingsError(
                f"--match {','.join(self.match)}: HubSpot's own id cannot be combined with other properties, "
                "because a row by its id never creates a record; use --id-property id alone, and another job "
                "for the rows without an id"
            )
        if len(self.match) > 1 and any(is_searched(self.object_type, name) for name in self.match):
            raise SettingsError(
                f"--match {','.join(self.match)}: companies are found by their domains with a search, which "
                "cannot be combined with other properties; use --id-property domain alone, or a unique "
                "property"
            )
        if len(set(self.match)) < len(self.match):
            raise SettingsError(f"--match {','.join(self.match)} names a property twice")
        keys = [("--id-property" if len(self.match) == 1 else "--match", name) for name in self.match]
        for option, name in (*keys, ("--object-type", self.object_type)):
            if not re.fullmatch(r"[A-Za-z0-9_\-]{1,200}", name):
                raise SettingsError(f"{option} {name!r} is not a valid HubSpot name")

    def _check_values(self) -> None:
        for option, table, allowed in (
            ("--date-order", self.date_orders, tuple(DateOrder)),
            ("--decimal", self.decimals, (".", ",")),
            ("--options", self.option_readings, (VALUE, LABEL)),
        ):
            if wrong := [word for word in table.values() if word not in allowed]:
                raise SettingsError(f"{option} {wrong[0]!r} is not one of {' '.join(allowed)}")
        if self.on_bad_value not in {"reject", "drop"}:
            raise SettingsError(f"--on-bad-value {self.on_bad_value!r} is neither reject nor drop")
        for zone in self.timezones.values():
            try:
                find_zone(zone)
            except MappingError as error:
                raise SettingsError(str(error)) from error
        for columns, option in (
            (self.cleared, "--clear"),
            (self.only, "--only"),
            (self.mapped.keys(), "--map"),
        ):
            if both := sorted(set(columns) & self.ignored):
                raise SettingsError(f"column {both[0]!r} is both in {option} and ignored")

    def _fold_translations(self) -> None:
        """Fold columns and values as they are compared."""
        tables = ValueTables()
        try:
            for column, table in self.translations.items():
                for value, replacement in table.items():
                    tables.add(column, value, replacement, f"values of {column!r}")
        except MappingError as error:
            raise SettingsError(str(error)) from error
        object.__setattr__(self, "translations", tables.replacements)
        for column, table in tables.replacements.items():
            for word in sorted(table.keys() & words_of(column, self.rules.blank_values)):
                place = self.translation_places.get(column, {}).get(word, "values")
                raise SettingsError(
                    f"{place}: {column!r}: {word!r} is a blank cell by --blank-value, so it would never be "
                    "replaced; remove one of them, or give the other columns of --blank-value by name"
                )

    def _set_associations(self) -> None:
        """Spell columns as they are compared."""
        object.__setattr__(self, "associations", tuple(map(normal, self.associations)))
        try:
            check_associations(self.associations, self.ignored)
        except MappingError as error:
            raise SettingsError(str(error)) from error
        if self.create_labels and not any(one.label for one in self.associations):
            raise SettingsError(
                "--create-labels: no link has a label; give one, such as "
                '--associate "COLUMN=companies.domain:LABEL"'
            )

        self._check_create_missing()

    def _check_create_missing(self) -> None:
        for name in sorted(self.create_missing):
            columns = [one for one in self.associations if one.object_type == name]
            if not columns:
                raise SettingsError(f"--create-missing {name}: no column is linked to {name}")
            if all(one.by in {OWN_ID, DOMAIN, NAME} for one in columns):
                raise SettingsError(
                    f"--create-missing {name}: a record can be created only by a unique property; link the "
                    f"column by one instead of by {'id' if columns[0].by == OWN_ID else columns[0].by}"
                )

    def _check_suppression_and_constants(self) -> None:
        if self.suppression is not None and not are_contacts(self.object_type):
            raise SettingsError("--suppress works for contacts only: other records have no address")
        if self.opt_outs not in {"", LIST, SKIP}:
            raise SettingsError(f"--opt-outs {self.opt_outs!r} is neither {LIST} nor {SKIP}")
        if self.opt_outs and not are_contacts(self.object_type):
            raise SettingsError("--opt-outs works for contacts only: other records have no address")
        for name in self.constants:
            if not re.fullmatch(r"[A-Za-z0-9_\-]{1,200}", name):
                raise SettingsError(f"--set {name!r} is not a valid HubSpot name")
        self._check_blank_values()
        for name in sorted(self.allowed):
            if not name.startswith(COSTLY):
                raise SettingsError(f"--allow {name}: only {COSTLY}... needs to be allowed")

    def _check_blank_values(self) -> None:
        """Refuse a blank word that --suppress-where or --opt-outs looks for: its rows would be written."""
        rules = self.rules
        for column in sorted({"", *rules.blank_values}) if rules.opt_outs else ():
            is_read = not column or (rules.tells_opt_outs(column) and not carries_consent(column))
            yes = [word for word in sorted(words_of(column, rules.blank_values)) if is_yes(word, ())]
            if is_read and yes:
                raise SettingsError(
                    f"--opt-outs {rules.opt_outs}: {yes[0]!r} in a column of opt-outs means yes, and "
                    "--blank-value makes it a blank cell, so that the opt-out would be lost; give the "
                    "columns of --blank-value by name"
                )
        for column, values in rules.suppress_where.items():
            suppresses = lacks_consent if carries_consent(column) else is_yes
            for word in sorted(words_of(column, rules.blank_values)) if ANY not in values else ():
                if suppresses(word, values) and not suppresses("", values):
                    raise SettingsError(
                        f"--suppress-where skips the rows with {word!r} in column {column!r}, and "
                        "--blank-value makes that a blank cell, so that they would be written; remove one of "
                        "them, or give the other columns of --blank-value by name"
                    )

    @property
    def rules(self) -> Rules:
        return Rules(
            match=self.match,
            object_type=self.object_type,
            mapped=self.mapped,
            ignored=self.ignored,
            only=self.only,
            cleared=self.cleared,
            blank_values=self.blank_values,
            date_orders={column: DateOrder(order) for column, order in self.date_orders.items()},
            decimals=self.decimals,
            option_readings=self.option_readings,
            timezones=self.timezones,
            owner_map=self.owner_map,
            translations=self.translations,
            drop_bad_values=self.on_bad_value == "drop",
            include_superseded=self.include_superseded,
            suppression=self.suppression,
            suppress_where=self.suppress_where,
            opt_outs=self.opt_outs,
            constants=self.constants,
            allowed=self.allowed,
            associations=self.associations,
        )


def _key_named(name: str) -> str:
    """The property that is meant: the API calls HubSpot's own id just `id`."""
    return OWN_ID if name in OWN_ID_NAMES else name


def parse_match(text: str) -> tuple[str, ...]:
    """Read `NAME,NAME`: properties in order of preference for a row's key."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise SettingsError(f"--match {text!r} is not a list of properties such as email,external_id")
    return names
