"""The object types: their names, their words in texts, and what HubSpot adds by itself. Tables.

Documented or recorded for contacts. For companies, deals, tickets and custom objects only the id in
"non-unique 0-2 property" is known; the rest is assumed to be alike, with their own words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

# What HubSpot adds to the properties of a record it has just created, and of one it has updated.
_ANY_UPDATED = {"hs_object_source": "INTEGRATION", "hs_object_source_label": "INTEGRATION"}
_CONTACT_UPDATED = {
    "hs_is_contact": "true",
    "hs_is_unworked": "true",
    **_ANY_UPDATED,
    "hs_pipeline": "contacts-lifecycle-pipeline",
    "hs_membership_has_accessed_private_content": "0",
    "hs_registered_member": "0",
    "num_notes": "0",
}
_CONTACT_CREATED = {
    **_CONTACT_UPDATED,
    "hs_associated_target_accounts": "0",
    "hs_currently_enrolled_in_prospecting_agent": "false",
    "hs_marketable_reason_type": "",
    "hs_prospecting_agent_actively_enrolled_count": "0",
    "hs_sequences_actively_enrolled_count": "0",
    "hs_social_facebook_clicks": "0",
    "hs_social_linkedin_clicks": "0",
    "hs_social_num_broadcast_clicks": "0",
    "hs_social_twitter_clicks": "0",
    "hs_time_to_first_engagement": "",
    "hs_v2_date_entered_lead": "",
    "lifecyclestage": "lead",
    "num_conversion_events": "0",
    "num_unique_conversion_events": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """An object type."""

    name: str  #: the name in paths
    type_id: str  #: the id in paths
    singular: str
    plural: str
    read_scope: str
    write_scope: str
    schema_scope: str  #: to create and archive properties
    created: str = "createdate"  #: the property with the time of creation
    modified: str = "hs_lastmodifieddate"
    updated_values: Mapping[str, str]  #: properties in the reply to an update
    created_values: Mapping[str, str]
    derived: Mapping[str, str]  #: values that a record has unwritten

    @property
    def is_contacts(self) -> bool:
        return self.name == "contacts"

    @property
    def is_custom(self) -> bool:
        return self.type_id.startswith("2-")

    def sensitive_scope(self, sensitivity: str, verb: str) -> str:
        """The scope for properties of this sensitivity. Tickets have one for both verbs."""
        name = "custom" if self.is_custom else self.name
        if name == "tickets":
            return f"tickets.{sensitivity}.v2"
        return f"crm.objects.{name}.{sensitivity}.{verb}.v2"

    def with_stages(self, stages: Sequence[str]) -> "Kind":
        """The type in an account with these lifecycle stages: new contacts are leads, else at the first."""
        if not self.is_contacts or not stages:
            return self
        first = {"lifecyclestage": "lead" if "lead" in stages else stages[0]}
        return replace(
            self, derived={**self.derived, **first}, created_values={**self.created_values, **first}
        )


def _other(name: str, type_id: str, singular: str, plural: str, scope: str = "", **rest: str) -> Kind:
    return Kind(
        name=name,
        type_id=type_id,
        singular=singular,
        plural=plural,
        read_scope=scope or f"crm.objects.{name}.read",
        write_scope=scope or f"crm.objects.{name}.write",
        schema_scope=scope or f"crm.schemas.{name}.write",
        updated_values=_ANY_UPDATED,
        created_values=_ANY_UPDATED,
        derived={},
        **rest,
    )


CONTACTS = Kind(
    name="contacts",
    type_id="0-1",
    singular="Contact",
    plural="Contacts",
    read_scope="crm.objects.contacts.read",
    write_scope="crm.objects.contacts.write",
    schema_scope="crm.schemas.contacts.write",
    modified="lastmodifieddate",
    updated_values=_CONTACT_UPDATED,
    created_values=_CONTACT_CREATED,
    derived={
        "lifecyclestage": "lead",
        "hs_pipeline": "contacts-lifecycle-pipeline",
        "hs_is_contact": "true",
    },
)
CARS = Kind(
    name="p_cars",
    type_id="2-123456",
    singular="Car",
    plural="Cars",
    read_scope="crm.objects.custom.read",
    write_scope="crm.objects.custom.write",
    schema_scope="crm.schemas.custom.write",
    created="hs_createdate",
    updated_values=_ANY_UPDATED,
    created_values=_ANY_UPDATED,
    derived={},
)
KINDS = (
    CONTACTS,
    _other("companies", "0-2", "Company", "Companies"),
    _other("deals", "0-3", "Deal", "Deals"),
    _other("tickets", "0-5", "Ticket", "Tickets", scope="tickets"),
    CARS,
)
_BY_NAME = {name: kind for kind in KINDS for name in (kind.name, kind.type_id)}


def find_kind(name: str) -> Kind | None:
    """The type with this name or id; None if there is none."""
    return _BY_NAME.get(name)
