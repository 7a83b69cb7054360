"""The endpoint of a method and path. Pure. From the official specs."""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from uploader.mockserver.account.associations.targets import find_target
from uploader.mockserver.account.object_types import CONTACTS, Kind, find_kind

EndpointName: TypeAlias = Literal[
    "upsert",
    "update",
    "create",
    "read",
    "archive",
    "associations",
    "associate",
    "associate_default",
    "dissociate",
    "end_labels",
    "association_labels",
    "association_limits",
    "create_association_label",
    "archive_association_label",
    "create_list",
    "list_by_name",
    "search_lists",
    "list",
    "archive_list",
    "memberships",
    "add_members",
    "remove_members",
    "change_members",
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
    target: str = ""  #: the other object type of associations, or the name of a property or list
    item: str = ""  #: the id of a label or list

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
        if self.endpoint in _SCOPES:
            return _SCOPES[self.endpoint]
        kind = find_kind(self.argument) or CONTACTS
        if self.endpoint in _LINKING or self.endpoint in _READING_LINKS:
            return self._scopes_of_both(kind)
        if self.endpoint in ("upsert", "update", "create", "archive"):
            return (kind.write_scope,)
        if self.endpoint in _CHANGING_PROPERTIES:
            return (kind.schema_scope,)
        return (kind.read_scope,) if self.endpoint in _READING else ()

    def _scopes_of_both(self, kind: Kind) -> tuple[str, ...]:
        target = find_target(self.target)
        if self.endpoint in _LINKING:
            return tuple(
                dict.fromkeys((kind.write_scope, target.write_scope if target else kind.write_scope))
            )
        return tuple(dict.fromkeys((kind.read_scope, target.read_scope if target else kind.read_scope)))


_READ_LISTS, _WRITE_LISTS = ("crm.lists.read",), ("crm.lists.write",)
#: Endpoints whose scopes do not depend on an object type.
_SCOPES: Mapping[str, tuple[str, ...]] = {
    "owners": ("crm.objects.owners.read",),
    "account": ("oauth",),
    "usage": ("oauth",),
    "list_by_name": _READ_LISTS,
    "search_lists": _READ_LISTS,
    "list": _READ_LISTS,
    "memberships": _READ_LISTS,
    "create_list": _WRITE_LISTS,
    "archive_list": _READ_LISTS + _WRITE_LISTS,
    "add_members": _READ_LISTS + _WRITE_LISTS,
    "remove_members": _READ_LISTS + _WRITE_LISTS,
    "change_members": _READ_LISTS + _WRITE_LISTS,
}
_READING = ("read", "search", "properties", "pipelines", "validations")
_CHANGING_PROPERTIES = ("create_properties", "create_property", "archive_properties", "archive_property")
_READING_LINKS = ("associations", "association_labels", "association_limits")
_LINKING = (
    "associate",
    "associate_default",
    "dissociate",
    "end_labels",
    "create_association_label",
    "archive_association_label",
)
#: What faults call endpoints that they do not tell apart.
_FAULT_ENDPOINTS = {
    "create_property": "create_properties",
    "archive_property": "archive_properties",
    "associate_default": "associate",
    "end_labels": "dissociate",
    "association_limits": "association_labels",
    "create_association_label": "change_association_labels",
    "archive_association_label": "change_association_labels",
    **dict.fromkeys(("list_by_name", "search_lists", "list", "memberships"), "lists"),
    **dict.fromkeys(("create_list", "archive_list"), "change_lists"),
    **dict.fromkeys(("add_members", "remove_members", "change_members"), "memberships"),
}
_DATED = "2026-03|2026-09"
_OBJECTS = rf"/crm/(?:(?P<plain>v3)/objects|objects/(?P<dated>{_DATED}))/(?P<argument>[^/]+)/batch"
_PROPERTIES = rf"/crm/(?:(?P<plain>v3)/properties|properties/(?P<dated>{_DATED}))/(?P<argument>[^/]+)"
# The associations path of 2026-09 is by analogy with that of 2026-03.
_BETWEEN = r"(?P<argument>[^/]+)/(?P<target>[^/]+)"
_ASSOCIATIONS = rf"/crm/(?:(?P<plain>v4)/associations|associations/(?P<dated>{_DATED}))/{_BETWEEN}/batch"
#: The older path of labels puts the version first.
_DEFINITIONS = r"/crm/(?:associations/(?P<plain>v4)|(?P<dated>v4)/associations)"
_LISTS = rf"/crm/(?:(?P<plain>v3)/lists|lists/(?P<dated>{_DATED}))"
_MEMBERS = rf"{_LISTS}/(?P<item>[^/]+)/memberships"
_ROUTES: tuple[tuple[str, re.Pattern[str], EndpointName], ...] = (
    ("POST", re.compile(rf"{_OBJECTS}/upsert"), "upsert"),
    ("POST", re.compile(rf"{_OBJECTS}/update"), "update"),
    ("POST", re.compile(rf"{_OBJECTS}/create"), "create"),
    ("POST", re.compile(rf"{_OBJECTS}/read"), "read"),
    ("POST", re.compile(rf"{_OBJECTS}/archive"), "archive"),
    ("POST", re.compile(rf"{_ASSOCIATIONS}/read"), "associations"),
    ("POST", re.compile(rf"{_ASSOCIATIONS}/create"), "associate"),
    ("POST", re.compile(rf"{_ASSOCIATIONS}/associate/default"), "associate_default"),
    ("POST", re.compile(rf"{_ASSOCIATIONS}/archive"), "dissociate"),
    ("POST", re.compile(rf"{_ASSOCIATIONS}/labels/archive"), "end_labels"),
    ("GET", re.compile(rf"{_DEFINITIONS}/{_BETWEEN}/labels"), "association_labels"),
    ("POST", re.compile(rf"{_DEFINITIONS}/{_BETWEEN}/labels"), "create_association_label"),
    ("DELETE", re.compile(rf"{_DEFINITIONS}/{_BETWEEN}/labels/(?P<item>\d+)"), "archive_association_label"),
    ("GET", re.compile(rf"{_DEFINITIONS}/definitions/configurations/{_BETWEEN}"), "association_limits"),
    (
        "POST",
        re.compile(rf"/crm/(?:(?P<plain>v3)/objects|objects/(?P<dated>{_DATED}))/(?P<argument>[^/]+)/search"),
        "search",
    ),
    ("POST", re.compile(rf"{_LISTS}/?"), "create_list"),
    ("POST", re.compile(rf"{_LISTS}/search"), "search_lists"),
    (
        "GET",
        re.compile(rf"{_LISTS}/object-type-id/(?P<argument>[^/]+)/name/(?P<target>[^/]+)"),
        "list_by_name",
    ),
    ("GET", re.compile(rf"{_LISTS}/(?P<item>[^/]+)"), "list"),
    ("DELETE", re.compile(rf"{_LISTS}/(?P<item>[^/]+)"), "archive_list"),
    ("GET", re.compile(_MEMBERS), "memberships"),
    ("PUT", re.compile(rf"{_MEMBERS}/add"), "add_members"),
    ("PUT", re.compile(rf"{_MEMBERS}/remove"), "remove_members"),
    ("PUT", re.compile(rf"{_MEMBERS}/add-and-remove"), "change_members"),
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
            argument, target, item = (groups.get(name) or "" for name in ("argument", "target", "item"))
            return Route(endpoint, version, argument, target, item)
    return None
