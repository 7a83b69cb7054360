"""The body that answers a batch: its results, and its errors in each shape seen or feared. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from uploader.mockserver.answers import iso
from uploader.mockserver.rules import AccountInfo, Rules
from uploader.mockserver.store import Contact
from uploader.mockserver.upsert import Refusal

# What HubSpot adds to the properties of a contact it has just created, and of one it has updated.
SYSTEM_UPDATED = {
    "hs_is_contact": "true",
    "hs_is_unworked": "true",
    "hs_object_source": "INTEGRATION",
    "hs_object_source_label": "INTEGRATION",
    "hs_pipeline": "contacts-lifecycle-pipeline",
    "hs_membership_has_accessed_private_content": "0",
    "hs_registered_member": "0",
    "num_notes": "0",
}
SYSTEM_CREATED = {
    **SYSTEM_UPDATED,
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


def created(contact: Contact, values: Mapping[str, str], at: str, account: AccountInfo) -> dict[str, Any]:
    contact_id = str(contact.id)
    email = values.get("email", "")
    properties = {
        **SYSTEM_CREATED,
        "hs_object_source_id": str(account.app_id),
        "hs_all_contact_vids": contact_id,
        "hs_email_domain": email.partition("@")[2],
        "hs_full_name_or_email": f"{values.get('firstname', '')} {values.get('lastname', '')}".strip()
        or email,
        "hs_lifecyclestage_lead_date": at,
        **values,
        "createdate": at,
        "hs_object_id": contact_id,
        "lastmodifieddate": at,
    }
    return _result(contact, contact_id, properties, account, new=True)


def updated(contact: Contact, values: Mapping[str, str], at: str, account: AccountInfo) -> dict[str, Any]:
    """Only what was sent and some system keys: `email` is missing unless it was sent (0)."""
    contact_id = str(contact.id)
    properties = {**SYSTEM_UPDATED, **values, "hs_object_id": contact_id, "lastmodifieddate": at}
    return _result(contact, contact_id, properties, account, new=False)


def _result(
    contact: Contact, contact_id: str, properties: dict[str, str], account: AccountInfo, *, new: bool
) -> dict[str, Any]:
    return {
        "id": contact_id,
        "properties": properties,
        "createdAt": contact.created_at,
        "updatedAt": contact.updated_at,
        "archived": False,
        "new": new,
        "url": _url(contact_id, account),
    }


def read(
    contact: Contact, names: Sequence[str], history: Sequence[str], account: AccountInfo
) -> dict[str, Any]:
    always = ("createdate", "hs_object_id", "lastmodifieddate")
    contact_id = str(contact.id)
    answer: dict[str, Any] = {
        "id": contact_id,
        "properties": {name: contact.value(name) for name in dict.fromkeys((*always, *names))},
        "createdAt": contact.created_at,
        "updatedAt": contact.updated_at,
        "archived": contact.archived,
        "url": _url(contact_id, account),
    }
    if contact.archived:
        answer["archivedAt"] = contact.updated_at
    if history:
        answer["propertiesWithHistory"] = {name: contact.versions(name) for name in history}
    return answer


def _url(contact_id: str, account: AccountInfo) -> str:
    return f"https://app.hubspot.com/contacts/{account.portal_id}/record/0-1/{contact_id}"


def batch(
    results: Sequence[object], started: float, completed: float, status: str = "COMPLETE"
) -> dict[str, Any]:
    # COMPLETE on partial failure too.
    return {
        "status": status,
        "results": results,
        "startedAt": iso(started),
        "completedAt": iso(completed),
    }


def not_found(ids: Sequence[str]) -> dict[str, Any]:
    """One error for all misses."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": "Could not get some CONTACT objects, they may be deleted or not exist. "
        "Check that ids are valid.",
        "context": {"ids": list(ids)},
    }


def add_errors(body: dict[str, Any], refusals: Sequence[Refusal], rules: Rules) -> None:
    """`numErrors` counts error objects, not records, unless a rule makes it lie."""
    if not rules.errors_listed:
        return
    if rules.group_errors == "none":
        entries = [_entry(refusal, rules) for refusal in refusals]
    else:
        entries = _group(refusals, rules)
    body["errors"] = entries
    body["numErrors"] = {"objects": len(entries), "records": len(refusals), "zero": 0}[rules.num_errors]


def _entry(refusal: Refusal, rules: Rules) -> dict[str, Any]:
    error = refusal.error
    context: dict[str, Any] = {}
    entry = {"status": "error", "category": error.category, "message": error.message, "context": context}
    if error.existing_id is not None:
        context["existingId"] = [error.existing_id]
    trace_id = refusal.input.trace_id
    if trace_id is None or rules.errors_without_trace_id:
        return entry
    if rules.trace_id_shape == "top_level":
        entry["objectWriteTraceId"] = trace_id
    else:
        context["objectWriteTraceId"] = [trace_id] if rules.trace_id_shape == "list" else trace_id
    return entry


def _group(refusals: Sequence[Refusal], rules: Rules) -> list[dict[str, Any]]:
    """One entry for all records refused in the same category, with the first one's message."""
    groups: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        groups.setdefault(refusal.error.category, []).append(refusal)
    entries = []
    for category, members in groups.items():
        if rules.group_errors == "ids":
            context = {"ids": [member.input.key for member in members]}
        else:
            context = {"objectWriteTraceId": [m.input.trace_id for m in members if m.input.trace_id]}
        message = members[0].error.message
        entries.append({"status": "error", "category": category, "message": message, "context": context})
    return entries
