"""The bodies of HubSpot's error replies, as documented or recorded. Values in, values out.

`simulator` adds the `correlationId`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from uploader.mockserver.account.object_types import CONTACTS, Kind
from uploader.mockserver.account.properties import Problem

JSON_TYPE = "application/json;charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """The status, body and headers of a reply before it is encoded."""

    status: int
    body: Mapping[str, Any] | bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordError:
    """Why one record was refused."""

    category: str
    message: str
    problems: Sequence[Problem] = ()
    existing_id: str | None = None

    @property
    def is_conflict(self) -> bool:
        return self.category in ("CONFLICT", "OBJECT_ALREADY_EXISTS")


def iso(wall_seconds: float) -> str:
    """A timestamp with milliseconds and Z, as in every recorded batch reply."""
    text = datetime.fromtimestamp(wall_seconds, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def error(status: int, message: str, category: str | None = None, **extra: object) -> Answer:
    body: dict[str, Any] = {"status": "error", "message": message, **extra}
    if category is not None:
        body["category"] = category
    return Answer(status, body)


def not_found() -> Answer:
    return error(404, "resource not found")  # no category


def unknown_object_type(name: str) -> Answer:
    return error(400, f"Unable to infer object type from: {name}", "VALIDATION_ERROR")


# 400 for the whole batch, nothing written


def invalid_json(detail: str, line: int = 1, column: int = 1) -> Answer:
    return error(400, f"Invalid input JSON on line {line}, column {column}: {detail}")  # no category


def missing_fields(names: Sequence[str]) -> Answer:
    return error(400, f"Some required fields were not set: [{', '.join(names)}]", "VALIDATION_ERROR")


def too_many_inputs(limit: int, *, with_history: bool = False) -> Answer:
    what = "batch request for property histories" if with_history else "batch"
    return error(
        400,
        f"The maximum number of inputs supported in a {what} is {limit}. "
        "Please reduce the number of items and try again",
        "VALIDATION_ERROR",
    )


def duplicate_ids(ids: Sequence[str]) -> Answer:
    return error(
        400,
        f"Duplicate IDs found in batch input: [{', '.join(ids)}]. IDs must be unique",
        "VALIDATION_ERROR",
        context={"ids": list(ids)},
    )


def non_unique_property(name: str, kind: Kind) -> Answer:
    message = f"Unable to perform update/upsert by non-unique {kind.type_id} property {name}"
    return error(400, message, "VALIDATION_ERROR")


def problems_message(problems: Sequence[Problem], portal_id: int) -> str:
    """The error for invalid values: the codes are JSON inside the message."""
    details = [
        {
            "isValid": False,
            "message": problem.message,
            "error": problem.code,
            "name": problem.name,
            "localizedErrorMessage": problem.message,
            "portalId": portal_id,
        }
        for problem in problems
    ]
    return "Property values were not valid: " + orjson.dumps(details).decode()


def invalid_values(problems: Sequence[Problem], portal_id: int) -> Answer:
    """The error for missing fields: it names no input, and at most four fields, three in `errors` [S24]."""
    distinct = list(dict.fromkeys(problems))
    return error(
        400,
        problems_message(distinct[:4], portal_id),
        "VALIDATION_ERROR",
        errors=[
            {"message": p.message, "code": p.code, "context": {"propertyName": [p.name]}}
            for p in distinct[:3]
        ],
    )


# 401 and 403


def no_credentials() -> Answer:
    return error(
        401,
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find "
        "more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
        "INVALID_AUTHENTICATION",
    )


def expired_token(seconds_ago: int, wall_seconds: float) -> Answer:
    return error(
        401,
        f"The OAuth token used to make this call expired {seconds_ago} second(s) ago.",
        "EXPIRED_AUTHENTICATION",
        context={"expire time": [iso(wall_seconds - seconds_ago)]},
    )


def garbage_token() -> Answer:
    """The error for a malformed token: HubSpot says that it expired in 1970."""
    return error(
        401,
        "The OAuth token used to make this call expired 20705 day(s) ago.",
        "EXPIRED_AUTHENTICATION",
        context={"expire time": ["1970-01-01T00:00:00Z"]},
    )


def missing_scopes(scopes: Sequence[str], shape: str) -> Answer:
    message = (
        "This app hasn't been granted all required scopes to make this call. "
        "Read more about required scopes here: https://developers.hubspot.com/scopes."
    )
    context = {"requiredGranularScopes": list(scopes)}
    links = {"scopes": "https://developers.hubspot.com/scopes"}
    if shape == "context":
        return error(403, message, "MISSING_SCOPES", context=context, links=links)
    detail = {"message": "One or more of the following scopes are required.", "context": context}
    return error(403, message, "MISSING_SCOPES", errors=[detail], links=links)


def conflict(existing_id: str | None, email: str, shape: str, kind: Kind = CONTACTS) -> Answer:
    if shape == "identity":  # [S56]
        return error(
            409,
            "Contact already exists",
            "OBJECT_ALREADY_EXISTS",
            error="CONTACT_EXISTS",
            identityProfile={"vid": existing_id, "identity": [{"value": email, "type": "EMAIL"}]},
            errors=[{"message": "Contact already exists", "in": "email"}],
        )
    known = existing_id if shape == "with_id" else None
    return error(409, conflict_message(known, kind), "CONFLICT")


def conflict_message(existing_id: str | None, kind: Kind) -> str:
    return f"{kind.singular} already exists" + (f". Existing ID: {existing_id}" if existing_id else "")


# 429: `errorType` where the others have `category`


def burst_exceeded(app_id: int, portal_id: int) -> Answer:
    return error(
        429,
        "You have reached your ten_secondly_rolling limit.",
        errorType="RATE_LIMIT",
        policyName="TEN_SECONDLY_ROLLING",
        groupName=f"publicapi:private_app-api-calls-ten-secondly:{app_id}:{portal_id}",
    )


def search_exceeded() -> Answer:
    return error(429, "You have reached your secondly limit.", errorType="RATE_LIMIT", policyName="SECONDLY")


def day_exceeded(request_id: str) -> Answer:
    return error(
        429,
        "You have reached your daily limit.",
        errorType="RATE_LIMIT",
        policyName="DAILY",
        requestId=request_id,
    )


def html_text(status: int) -> bytes:
    page = (
        f"<!DOCTYPE html>\n<html><head><title>api.hubapi.com | {status}</title></head>\n<body>"
        f"<h1>Error {status}</h1><p>cloudflare</p></body></html>\n"
    )
    return page.encode()


def html_page(status: int) -> Answer:
    """An error page of the edge, when the origin does not answer."""
    return Answer(
        status, html_text(status), {"Content-Type": "text/html; charset=UTF-8", "Server": "cloudflare"}
    )


def refusal(error_: RecordError, key: str, portal_id: int, conflict_shape: str, kind: Kind) -> Answer:
    """One record's error, as the answer to the whole batch."""
    if error_.is_conflict:
        return conflict(error_.existing_id, key, conflict_shape, kind)
    if error_.problems:
        return invalid_values(error_.problems, portal_id)
    return error(400, error_.message, error_.category)


def oauth_error(error_: str, status: str, message: str) -> Answer:
    """An error of the token endpoints, in OAuth's format."""
    body = {"error": error_, "error_description": message, "status": status, "message": message}
    return Answer(400, body)
