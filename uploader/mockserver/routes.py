"""The endpoint of a method and path. Pure. From the official specs."""

import re
from typing import Literal, NamedTuple, TypeAlias

from uploader.mockserver.account.associations import find_target
from uploader.mockserver.account.object_types import CONTACTS, find_kind

EndpointName: TypeAlias = Literal[
    "upsert",
    "update",
    "read",
    "archive",
    "associations",
    "search",
    "properties",
    "create_properties",
    "create_property",
    "archive_properties",
    "archive_property",
    "account",
    "usage",
    "owners",
    "limits",
    "pipelines",
    "validations",
    "token_info",
    "refresh",
    "introspect",
    "legacy_token",
]


class Route(NamedTuple):
    """The endpoint of a request, with its arguments."""

    endpoint: EndpointName
    version: str  #: v1, v2, v3, v4, 2026-03 or 2026-09
    argument: str = ""  #: the object type, or the token of the legacy introspection
    target: str = ""  #: the other object type of associations, or the name of a property

    @property
    def is_token(self) -> bool:
        """Whether it is a token endpoint: these need no bearer token and count in no app's window."""
        return self.endpoint in ("token_info", "refresh", "introspect", "legacy_token")

    @property
    def fault_endpoint(self) -> str:
        return "token" if self.is_token else _FAULT_ENDPOINTS.get(self.endpoint, self.endpoint)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that a token needs; for associations those of both types."""
        if self.endpoint == "owners":
            return ("crm.objects.owners.read",)
        if self.endpoint in ("account", "usage"):
            return ("oauth",)
        kind = find_kind(self.argument) or CONTACTS
        if self.endpoint in ("upsert", "update", "archive"):
            return (kind.write_scope,)
        if self.endpoint in _CHANGING_PROPERTIES:
            return (kind.schema_scope,)
        if self.endpoint == "associations":
            target = find_target(self.target)
            return tuple(dict.fromkeys((kind.read_scope, target.scope if target else kind.read_scope)))
        return (kind.read_scope,) if self.endpoint in _READING else ()


_READING = ("read", "search", "properties", "pipelines", "validations")
_CHANGING_PROPERTIES = ("create_properties", "create_property", "archive_properties", "archive_property")
#: Faults name the requests for one property as those for several.
_FAULT_ENDPOINTS = {"create_property": "create_properties", "archive_property": "archive_properties"}
_DATED = "2026-03|2026-09"
_OBJECTS = rf"/crm/(?:(?P<plain>v3)/objects|objects/(?P<dated>{_DATED}))/(?P<argument>[^/]+)/batch"
_PROPERTIES = rf"/crm/(?:(?P<plain>v3)/properties|properties/(?P<dated>{_DATED}))/(?P<argument>[^/]+)"
_ROUTES: tuple[tuple[str, re.Pattern[str], EndpointName], ...] = (
    ("POST", re.compile(rf"{_OBJECTS}/upsert"), "upsert"),
    ("POST", re.compile(rf"{_OBJECTS}/update"), "update"),
    ("POST", re.compile(rf"{_OBJECTS}/read"), "read"),
    ("POST", re.compile(rf"{_OBJECTS}/archive"), "archive"),
    # The path of 2026-09 is by analogy with that of 2026-03.
    (
        "POST",
        re.compile(
            rf"/crm/(?:(?P<plain>v4)/associations|associations/(?P<dated>{_DATED}))"
            r"/(?P<argument>[^/]+)/(?P<target>[^/]+)/batch/read"
        ),
        "associations",
    ),
    (
        "POST",
        re.compile(rf"/crm/(?:(?P<plain>v3)/objects|objects/(?P<dated>{_DATED}))/(?P<argument>[^/]+)/search"),
        "search",
    ),
    ("GET", re.compile(_PROPERTIES), "properties"),
    ("POST", re.compile(_PROPERTIES), "create_property"),
    ("DELETE", re.compile(rf"{_PROPERTIES}/(?P<target>[^/]+)"), "archive_property"),
    ("POST", re.compile(rf"{_PROPERTIES}/batch/create"), "create_properties"),
    ("POST", re.compile(rf"{_PROPERTIES}/batch/archive"), "archive_properties"),
    (
        "GET",
        re.compile(
            rf"/crm/(?:(?P<plain>v3)/property-validations|property-validations/(?P<dated>{_DATED}))"
            r"/(?P<argument>[^/]+)"
        ),
        "validations",
    ),
    # The dated paths are by analogy with those of properties.
    (
        "GET",
        re.compile(rf"/crm/(?:(?P<plain>v3)/pipelines|pipelines/(?P<dated>{_DATED}))/(?P<argument>[^/]+)"),
        "pipelines",
    ),
    ("GET", re.compile(rf"/account-info/(?:(?P<plain>v3)|(?P<dated>{_DATED}))/details"), "account"),
    (
        "GET",
        re.compile(rf"/account-info/(?:(?P<plain>v3)|(?P<dated>{_DATED}))/api-usage/daily/private-apps"),
        "usage",
    ),
    # The dated owners path is by analogy with the limits'.
    ("GET", re.compile(rf"/crm/(?:(?P<plain>v3)/owners|owners/(?P<dated>{_DATED}))/?"), "owners"),
    ("GET", re.compile(rf"/crm/(?:(?P<plain>v3)/limits|limits/(?P<dated>{_DATED}))/records"), "limits"),
    ("POST", re.compile(r"/oauth/(?P<plain>v2)/private-apps/get/access-token-info"), "token_info"),
    ("POST", re.compile(rf"/oauth/(?:(?P<plain>v1|v3)|(?P<dated>{_DATED}))/token"), "refresh"),
    ("POST", re.compile(rf"/oauth/(?:(?P<plain>v3)|(?P<dated>{_DATED}))/token/introspect"), "introspect"),
    ("GET", re.compile(r"/oauth/(?P<plain>v1)/access-tokens/(?P<argument>[^/]+)"), "legacy_token"),
)


def find_route(method: str, path: str) -> Route | None:
    for wanted, pattern, endpoint in _ROUTES:
        if wanted == method and (found := pattern.fullmatch(path)):
            groups = found.groupdict()
            version = groups["plain"] or groups.get("dated", "")
            return Route(endpoint, version, groups.get("argument") or "", groups.get("target") or "")
    return None
