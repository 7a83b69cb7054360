"""The body of a batch reply: its results, and its errors in each recorded or possible shape. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from uploader.mockserver.account.behaviour_switches import AccountInfo, Rules
from uploader.mockserver.account.object_types import Kind
from uploader.mockserver.account.store import Record
from uploader.mockserver.account.upsert_plan import Refusal
from uploader.mockserver.bodies.error_bodies import iso
from uploader.mockserver.faults.scenario import Reject


def created(
    record: Record, values: Mapping[str, str], at: str, kind: Kind, account: AccountInfo
) -> dict[str, Any]:
    properties = {**kind.created_values, "hs_object_source_id": str(account.app_id)}
    if kind.is_contacts:
        properties |= _of_a_new_contact(record, values, at)
    properties |= {**values, kind.created: at, "hs_object_id": str(record.id), kind.modified: at}
    return _result(record, properties, kind, account, new=True)


def _of_a_new_contact(record: Record, values: Mapping[str, str], at: str) -> dict[str, str]:
    email = values.get("email", "")
    name = f"{values.get('firstname', '')} {values.get('lastname', '')}".strip()
    return {
        "hs_all_contact_vids": str(record.id),
        "hs_email_domain": email.partition("@")[2],
        "hs_full_name_or_email": name or email,
        "hs_lifecyclestage_lead_date": at,
    }


def updated(
    record: Record, values: Mapping[str, str], at: str, kind: Kind, account: AccountInfo
) -> dict[str, Any]:
    """A new contact's result: the sent properties and system keys, so `email` only if it was sent."""
    properties = {**kind.updated_values, **values, "hs_object_id": str(record.id), kind.modified: at}
    return _result(record, properties, kind, account, new=False)


def _result(
    record: Record, properties: dict[str, str], kind: Kind, account: AccountInfo, *, new: bool
) -> dict[str, Any]:
    return {
        "id": str(record.id),
        "properties": properties,
        "createdAt": record.created_at,
        "updatedAt": record.updated_at,
        "archived": False,
        "new": new,
        "url": _url(record, kind, account),
    }


def read(
    record: Record, names: Sequence[str], history: Sequence[str], kind: Kind, account: AccountInfo
) -> dict[str, Any]:
    always = (kind.created, "hs_object_id", kind.modified)
    asked = dict.fromkeys((*always, *names))
    answer: dict[str, Any] = {
        "id": str(record.id),
        "properties": {name: record.value(name, kind.derived) for name in asked},
        "createdAt": record.created_at,
        "updatedAt": record.updated_at,
        "archived": record.archived,
        "url": _url(record, kind, account),
    }
    if record.archived:
        answer["archivedAt"] = record.archived_at
    if history:
        answer["propertiesWithHistory"] = record.versions(history)
    return answer


def _url(record: Record, kind: Kind, account: AccountInfo) -> str:
    return f"https://app.hubspot.com/contacts/{account.portal_id}/record/{kind.type_id}/{record.id}"


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


def not_found(ids: Sequence[str], kind: Kind) -> dict[str, Any]:
    """One error for all records that were not found."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": f"Could not get some {kind.singular.upper()} objects, they may be deleted or not exist. "
        "Check that ids are valid.",
        "context": {"ids": list(ids)},
    }


def unread(rejected: Mapping[str, Reject], named: str = "ids") -> list[dict[str, Any]]:
    """Errors for keys that a fault refuses to read, one a reason. `named`: the context entry of keys."""
    keys: dict[tuple[str, str], list[str]] = {}
    for key, reject in rejected.items():
        keys.setdefault((reject.category, reject.message), []).append(key)
    return [
        {"status": "error", "category": category, "message": message, "context": {named: ids}}
        for (category, message), ids in keys.items()
    ]


def add_errors(body: dict[str, Any], refusals: Sequence[Refusal], rules: Rules) -> None:
    """Add `errors` and `numErrors` to a body; a rule decides what `numErrors` counts."""
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
    """One error for all records of a category, with the first one's message."""
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
