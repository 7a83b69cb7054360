"""What a fault makes of an answer: another status, another body, another end of the connection. Pure.

Which request a fault strikes is decided in `scenario`; whether its write happens, in `simulator`.
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
    Garble,
    Mishap,
    NoOp,
    Redirect,
    Reset,
    Status,
    Truncate,
)
from uploader.mockserver.messages import Delivery

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
class Occasion:
    """What the bodies of ordered statuses speak of."""

    account: AccountInfo
    wall_seconds: float
    request_id: str
    scope: str
    key: str


def reshaped(mishap: Mishap | None, answer: Answer) -> Answer:
    """Faults inside an otherwise healthy envelope."""
    if not isinstance(answer.body, dict) or "results" not in answer.body:
        return answer
    body: dict[str, Any] = answer.body
    match mishap:
        case NoOp():
            body = {**body, "results": []}
        case DropResults():
            body = {**body, "results": body["results"][: max(0, len(body["results"]) - mishap.count)]}
        case BatchStatus() if "startedAt" in body:
            body = {**body, "status": mishap.status}
    return Answer(answer.status, body, answer.headers)


def replaced(mishap: Mishap | None, answer: Answer, occasion: Occasion) -> Answer:
    match mishap:
        case Status():
            return _status(mishap, occasion)
        case Redirect():
            return Answer(mishap.status, b"", {"Location": mishap.location})
    return answer


def _status(mishap: Status, occasion: Occasion) -> Answer:
    answer = _shaped(mishap, occasion)
    body = answer.body
    if mishap.message is not None and isinstance(body, dict):
        body = {**body, "message": mishap.message}
    headers = dict(answer.headers)
    retry_after = mishap.retry_after_seconds
    if retry_after is None and mishap.status == 477:
        retry_after = MIGRATION_RETRY_AFTER_SECONDS
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return Answer(mishap.status, body, headers)


def _shaped(mishap: Status, occasion: Occasion) -> Answer:
    status = mishap.status
    shape = mishap.shape or ("html" if status in EDGE_STATUSES else "")
    if shape == "html":
        return error_bodies.html_page(status)
    if shape == "empty":
        return Answer(status, b"")
    if status in SHAPES:
        return SHAPES[status](shape, occasion)
    message, category = MESSAGES.get(status, (f"status {status} by order of the scenario", None))
    return error_bodies.error(status, message, category)


def _unauthorised(shape: str, occasion: Occasion) -> Answer:
    if shape == "garbage":
        return error_bodies.garbage_token()
    if shape == "missing":
        return error_bodies.no_credentials()
    return error_bodies.expired_token(75, occasion.wall_seconds)


def _conflict(shape: str, occasion: Occasion) -> Answer:
    # The contact in the way is nobody in particular.
    return error_bodies.conflict("171591000198", occasion.key, shape or "with_id")


def _throttled(shape: str, occasion: Occasion) -> Answer:
    if shape == "daily":
        return error_bodies.day_exceeded(occasion.request_id)
    return error_bodies.burst_exceeded(occasion.account.app_id, occasion.account.portal_id)


SHAPES: Mapping[int, Callable[[str, Occasion], Answer]] = {
    401: _unauthorised,
    403: lambda shape, occasion: error_bodies.missing_scopes([occasion.scope], shape),
    409: _conflict,
    429: _throttled,
}


def garbled(mishap: Mishap | None, body: bytes) -> bytes:
    return GARBLES[mishap.shape](mishap, body) if isinstance(mishap, Garble) else body


def _invalid_utf8(_: Garble, body: bytes) -> bytes:
    """JSON as far as the brackets go, with a key whose bytes are no text."""
    return body[:1] + b'"\xff\xfe":0,' + body[1:]


def _huge(mishap: Garble, body: bytes) -> bytes:
    """Valid JSON around a padding of blanks: what hurts is the size, not the content."""
    return body[:1] + b" " * max(0, mishap.bytes - len(body)) + body[1:]


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


def content_type(mishap: Mishap | None, usual: str) -> str:
    return mishap.content_type if isinstance(mishap, Garble) and mishap.content_type is not None else usual


def delivery(mishap: Mishap | None, body: bytes) -> tuple[Delivery, int, float]:
    """What to do with the connection, how many bytes to send, over how many seconds."""
    match mishap:
        case Reset():
            return Delivery.RESET, 0, 0.0
        case Truncate():
            return Delivery.TRUNCATE, int(len(body) * mishap.keep_share), 0.0
        case Drip():
            return Delivery.DRIP, len(body), mishap.seconds
    return Delivery.SEND, len(body), 0.0
