"""Applies a fault to an answer: another status, body or end of the connection. Pure.

`scenario` decides which requests have a fault, `simulator` whether the write happens.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from uploader.mockserver.account.behaviour_switches import AccountInfo
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.error_bodies import Answer
from uploader.mockserver.faults.scenario import (
    BatchStatus,
    Drip,
    DropResults,
    Failure,
    Garble,
    NoOp,
    Redirect,
    Reset,
    Status,
    Truncate,
)
from uploader.mockserver.request_and_reply import Delivery

EDGE_STATUSES = frozenset({502, 503, 504, *range(520, 528)})
MIGRATION_RETRY_AFTER_SECONDS = 3600  # 477 always says when, "typically up to 24 h"
MESSAGES = {
    400: ("The request was refused by the scenario", "VALIDATION_ERROR"),
    404: ("resource not found", None),
    423: ("The object is currently locked. Try again in a moment.", None),  # no real body is known
    477: ("This account is being migrated to another data center.", None),
    500: ("internal error", None),
}


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """What error bodies name: the account, the request, a scope, a key."""

    account: AccountInfo
    wall_seconds: float
    request_id: str
    scope: str
    key: str


def change_results(failure: Failure | None, answer: Answer) -> Answer:
    """Change the results or the batch status inside a valid body."""
    if not isinstance(answer.body, dict) or "results" not in answer.body:
        return answer
    body: dict[str, Any] = answer.body
    match failure:
        case NoOp():
            body = {**body, "results": []}
        case DropResults():
            body = {**body, "results": body["results"][: max(0, len(body["results"]) - failure.count)]}
        case BatchStatus() if "startedAt" in body:
            body = {**body, "status": failure.status}
    return Answer(answer.status, body, answer.headers)


def replace_answer(failure: Failure | None, answer: Answer, context: ErrorContext) -> Answer:
    match failure:
        case Status():
            return _status(failure, context)
        case Redirect():
            return Answer(failure.status, b"", {"Location": failure.location})
    return answer


def _status(failure: Status, context: ErrorContext) -> Answer:
    answer = _shaped(failure, context)
    body = answer.body
    if failure.message is not None and isinstance(body, dict):
        body = {**body, "message": failure.message}
    headers = dict(answer.headers)
    retry_after = failure.retry_after_seconds
    if retry_after is None and failure.status == 477:
        retry_after = MIGRATION_RETRY_AFTER_SECONDS
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return Answer(failure.status, body, headers)


def _shaped(failure: Status, context: ErrorContext) -> Answer:
    status = failure.status
    shape = failure.shape or ("html" if status in EDGE_STATUSES else "")
    if shape == "html":
        return error_bodies.html_page(status)
    if shape == "empty":
        return Answer(status, b"")
    if status in SHAPES:
        return SHAPES[status](shape, context)
    message, category = MESSAGES.get(status, (f"status {status} by order of the scenario", None))
    return error_bodies.error(status, message, category)


def _unauthorised(shape: str, context: ErrorContext) -> Answer:
    if shape == "garbage":
        return error_bodies.garbage_token()
    if shape == "missing":
        return error_bodies.no_credentials()
    return error_bodies.expired_token(75, context.wall_seconds)


def _conflict(shape: str, context: ErrorContext) -> Answer:
    # Any id will do for the other contact.
    return error_bodies.conflict("171591000198", context.key, shape or "with_id")


def _throttled(shape: str, context: ErrorContext) -> Answer:
    if shape == "daily":
        return error_bodies.day_exceeded(context.request_id)
    return error_bodies.burst_exceeded(context.account.app_id, context.account.portal_id)


SHAPES: Mapping[int, Callable[[str, ErrorContext], Answer]] = {
    401: _unauthorised,
    403: lambda shape, context: error_bodies.missing_scopes([context.scope], shape),
    409: _conflict,
    429: _throttled,
}


def garble_body(failure: Failure | None, body: bytes) -> bytes:
    return GARBLES[failure.shape](failure, body) if isinstance(failure, Garble) else body


def _invalid_utf8(_: Garble, body: bytes) -> bytes:
    """A JSON object with a key that is not UTF-8."""
    return body[:1] + b'"\xff\xfe":0,' + body[1:]


def _huge(failure: Garble, body: bytes) -> bytes:
    """Valid JSON padded with blanks: only the size is wrong."""
    return body[:1] + b" " * max(0, failure.bytes - len(body)) + body[1:]


WRONG_TYPES = (
    b'{"status":7,"results":{"0":"x"},"errors":"none","numErrors":"many","startedAt":[],"completedAt":0}'
)
GARBLES: Mapping[str, Callable[[Garble, bytes], bytes]] = {
    "none": lambda _, body: body,
    "not_json": lambda _, body: body[: len(body) // 2] + b" and so on",
    "invalid_utf8": _invalid_utf8,
    "array": lambda _, body: b"[" + body + b"]",
    "null": lambda _, __: b"null",
    "wrong_types": lambda _, __: WRONG_TYPES,
    "html": lambda _, __: error_bodies.html_text(200),
    "empty": lambda _, __: b"",
    "huge": _huge,
}


def content_type(failure: Failure | None, usual: str) -> str:
    return failure.content_type if isinstance(failure, Garble) and failure.content_type is not None else usual


def delivery(failure: Failure | None, body: bytes) -> tuple[Delivery, int, float]:
    """How the reply is sent: the way, the number of bytes, and the seconds they take."""
    match failure:
        case Reset():
            return Delivery.RESET, 0, 0.0
        case Truncate():
            return Delivery.TRUNCATE, int(len(body) * failure.keep_share), 0.0
        case Drip():
            return Delivery.DRIP, len(body), failure.seconds
    return Delivery.SEND, len(body), 0.0
