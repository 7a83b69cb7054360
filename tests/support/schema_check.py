"""Holds what the mock server gets and gives against HubSpot's official schemas.

`official_schemas/` has the paths that uploader uses, from the OpenAPI documents that HubSpot publishes
(https://github.com/HubSpot/HubSpot-public-api-spec-collection), without descriptions. Their errors are
`*/*` there; here they are the JSON that they are.

A validation takes milliseconds, and the tests exchange hundreds of thousands of messages. So a message is
validated if it has a part of a form that was not seen before. Two parts have one form if they differ only in
the names of properties, in texts that are neither a constant nor a timestamp, and in the items of lists,
which are parts of their own.
"""

import gzip
import json
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from uploader.mockserver.account.behaviour_switches import Rules
from uploader.mockserver.request_and_reply import Reply, Request

if TYPE_CHECKING:  # half a second, which no test spends that exchanges no message
    from openapi_core import OpenAPI
    from openapi_core.datatypes import RequestParameters

_FOLDER = Path(__file__).with_name("official_schemas")
_HOST = "https://api.hubapi.com"
#: As in the client. Other requests are those of tests.
USER_AGENT = "uploader"

Known = tuple[tuple[str, str], ...]
#: What recorded replies lack or have otherwise: patterns of the place in the body and of the reason.
RECORDED: Known = (
    (r"errors/\*", "'(errors|links)' is a required property"),
    (r"errors/\*/subCategory", ".* is not of type 'object'"),
    (r"results/\*/properties/.*", "None .*"),
    (r"results/\*/to/\*/toObjectId", ".* is not of type 'string'"),
    (r"results/\*/to/\*/associationTypes/\*/label", "None .*"),
    (r"results/\*/label", "None .*"),
    (r"results/\*/(from|to)ObjectId", ".* is not of type 'string'"),
    ("", "'(category|correlationId)' is a required property"),
    ("", ".*'(token|access_token)': .* is not valid under any of the given schemas"),
)
#: What other rules of the scenario than the default ones change, by rule.
SWITCHED: Mapping[str, Known] = {
    "trace_id_shape": ((r"errors/\*/context/objectWriteTraceId", ".* is not of type 'array'"),),
    # The schema has no 200 of batch/create, and no 207 of associate/default, so these should be errors.
    "link_statuses": (("", "'message' is a required property"),),
}


@dataclass
class _Asked:
    """A request as openapi-core takes it."""

    method: str
    path: str
    parameters: "RequestParameters"
    content_type: str
    body: bytes | None
    host_url: str = _HOST


@dataclass
class _Answered:
    """A reply as openapi-core takes it."""

    status_code: int
    content_type: str
    data: bytes | None
    headers: dict[str, str] = field(default_factory=dict)


class Violation(NamedTuple):
    """One way in which a message breaks its schema."""

    path: str  #: as in the schema
    status: int  #: 0: the request breaks it
    place: str  #: in the body, `*` for the items of a list
    reason: str

    def is_allowed(self, rules: Rules) -> bool:
        """Whether a recorded reply, or a rule that is switched, is known to differ in this way."""
        known = () if rules.reply_form == "documented" else RECORDED
        for name, more in SWITCHED.items():
            known += more if getattr(rules, name) != getattr(Rules(), name) else ()
        return self.status != 0 and any(
            re.fullmatch(place, self.place) and re.fullmatch(reason, self.reason, re.DOTALL)
            for place, reason in known
        )


class SchemaCheck:
    """Checks messages, one after the other."""

    def __init__(self) -> None:
        self._seen: set[Hashable] = set()
        self._bodies: set[int] = set()
        self.checked = 0  #: messages

    def check(self, request: Request, reply: Reply, rules: Rules) -> list[Violation]:
        """Return what is wrong with the forms that were not seen before."""
        path = _find(request.method, request.path)
        if path is None:
            return []
        found: list[Violation] = []
        if request.headers.get("user-agent") == USER_AGENT and self._is_new((path.name, 0), request.body):
            found += _violations(path.name, 0, lambda: path.api.validate_request(_asked(request)))
        is_packed = reply.headers.get("Content-Encoding") == "gzip"
        body = gzip.decompress(reply.body) if is_packed else reply.body
        if self._is_new((path.name, reply.status, rules.reply_form), body):
            kind = reply.headers.get("Content-Type", "").partition(";")[0]
            answered = _Answered(reply.status, kind, _shortened(body))
            found += _violations(
                path.name, reply.status, lambda: path.api.validate_response(_asked(request), answered)
            )
        return [one for one in found if not one.is_allowed(rules)]

    def _is_new(self, where: Hashable, body: bytes) -> bool:
        """Note the forms of a body. Returns whether one of them is new."""
        self.checked += 1
        same = hash((where, body))  # every other body is one that was seen as it is
        if same in self._bodies:
            return False
        self._bodies.add(same)
        forms = {(where, form) for form in _forms(body)}
        is_new = not forms <= self._seen
        self._seen |= forms
        return is_new


def _asked(request: Request) -> _Asked:
    from openapi_core.datatypes import RequestParameters  # noqa: PLC0415

    return _Asked(
        request.method.lower(),
        request.path.rstrip("/"),
        RequestParameters(query=dict(request.query), header=dict(request.headers)),
        request.headers.get("content-type", ""),
        _shortened(request.body) or None,
    )


def _violations(path: str, status: int, validate: Callable[[], None]) -> Iterator[Violation]:
    from openapi_core.exceptions import OpenAPIError  # noqa: PLC0415

    try:
        validate()
    except OpenAPIError as error:
        reason = _cause(error)
        for one in getattr(reason, "schema_errors", ()):
            place = "/".join("*" if isinstance(step, int) else str(step) for step in one.absolute_path)
            yield Violation(path, status, place, one.message)
        if not hasattr(reason, "schema_errors"):
            yield Violation(path, status, "", str(reason)[:200])


def _cause(error: BaseException) -> BaseException:
    """The first cause that names what is wrong in the body, else the last one."""
    while error.__cause__ is not None and not hasattr(error, "schema_errors"):
        error = error.__cause__
    return error


class _Path(NamedTuple):
    method: str
    name: str
    pattern: re.Pattern[str]
    file: Path

    @property
    def api(self) -> "OpenAPI":
        return _load(self.file)


@cache
def _load(file: Path) -> "OpenAPI":
    from openapi_core import OpenAPI  # noqa: PLC0415

    return OpenAPI.from_dict(json.loads(file.read_bytes()))


@cache
def _paths() -> list[_Path]:
    """Every path of every document, exact ones before those with a parameter."""
    found = []
    for file in _FOLDER.glob("*.json"):
        for name, methods in json.loads(file.read_bytes())["paths"].items():
            pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(name)) + "/?")
            found += [_Path(method.upper(), name, pattern, file) for method in methods]
    return sorted(found, key=lambda path: (path.name.count("{"), path.name))


@cache
def _find(method: str, path: str) -> _Path | None:
    return next((one for one in _paths() if one.method == method and one.pattern.fullmatch(path)), None)


def _forms(body: bytes) -> list[Hashable]:
    """The forms of a body's parts."""
    forms: list[Hashable] = []
    try:
        forms.append(_form(orjson.loads(body), "", forms) if body else None)
    except orjson.JSONDecodeError:
        forms.append("no JSON")
    return forms


#: Texts of which a schema may ask more than that they are texts.
_TELLING = re.compile(r"[A-Z_]+|[\d:.TZ+-]+")
_DIGITS = re.compile(r"\d+")


#: So many items of a longer list are looked at, evenly: all would cost a fifth of the time of the tests.
_ITEMS = 16


def _shortened(body: bytes) -> bytes:
    """A body with one item of each form in its lists: every further one would be validated, too."""
    try:
        return orjson.dumps(_one_of_each_form(orjson.loads(body), ""))
    except orjson.JSONDecodeError:
        return body


def _one_of_each_form(value: Any, place: str) -> Any:
    if isinstance(value, dict):
        return {name: _one_of_each_form(one, f"{place}/{name}") for name, one in value.items()}
    if isinstance(value, list):
        kept = {_all_forms(one, place): one for one in _some(value)}
        return [_one_of_each_form(one, place) for one in kept.values()]
    return value


def _all_forms(item: Any, place: str) -> Hashable:
    """The form of an item, and those of the items of its lists."""
    parts: list[Hashable] = []
    return _form(item, place, parts), frozenset(parts)


def _some(items: list[Any]) -> list[Any]:
    return items[:: max(1, len(items) // _ITEMS)]


def _form(value: Any, place: str, parts: list[Hashable]) -> Hashable:
    """The form of a value. Those of a list's items, or of some of a long one, are added to `parts`."""
    kind = type(value)
    if kind is str:
        return _DIGITS.sub("0", value) if _TELLING.fullmatch(value) else str
    if kind is dict:
        if place.endswith("/properties"):
            return frozenset(map(type, value.values()))
        return frozenset([(name, _form(one, f"{place}/{name}", parts)) for name, one in value.items()])
    if kind is list:
        parts += {(place, _form(one, place, parts)) for one in _some(value)}
    return kind
