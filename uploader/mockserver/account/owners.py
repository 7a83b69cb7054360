"""The owners of an account, in the pages of the owners API; archived ones apart. Pure.

Fields, paging and the trap that a `userId` is no owner id are documented [owners guide]; that an archived
owner keeps `userIdIncludingInactive` and loses `userId` follows from the names and is an assumption.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from uploader.mockserver.account.behaviour_switches import Owner
from uploader.mockserver.bodies import error_bodies
from uploader.mockserver.bodies.error_bodies import Answer

PAGE, MOST_ON_A_PAGE = 100, 500

#: Two of the same name, a non-ASCII name, a queue, and three archived ones.
DEFAULT_OWNERS = (
    Owner(id="41629779", email="ann.lee@example.com", first_name="Ann", last_name="Lee"),
    Owner(id="41629780", email="bob.stone@example.com", first_name="Bob", last_name="Stone"),
    Owner(id="41629781", email="chris.miller@example.com", first_name="Chris", last_name="Miller"),
    Owner(id="41629782", email="c.miller@example.com", first_name="Chris", last_name="Miller"),
    Owner(id="41629783", email="juergen.gross@example.com", first_name="Jürgen", last_name="Groß"),
    Owner(id="41629784", email="no.name@example.com"),
    Owner(id="41629785", type="QUEUE", first_name="Support queue"),
    Owner(id="41629790", email="dora.gone@example.com", first_name="Dora", last_name="Gone", archived=True),
    Owner(id="41629791", email="erik.left@example.com", first_name="Erik", last_name="Left", archived=True),
    # The same address twice: a person who was archived and has returned.
    Owner(id="41629792", email="ann.lee@example.com", first_name="Ann", last_name="Lee", archived=True),
)


class Owners:
    """The owners of an account, in pages."""

    def __init__(self, owners: Sequence[Owner]) -> None:
        self._owners = sorted(owners or DEFAULT_OWNERS, key=lambda owner: int(owner.id))
        self.user_ids = frozenset(str(_user_id(owner)) for owner in self._owners)

    def page(self, query: Mapping[str, str]) -> Answer:
        limit, after = query.get("limit", str(PAGE)), query.get("after", "0")
        if not limit.isdecimal() or not 1 <= int(limit) <= MOST_ON_A_PAGE:
            return error_bodies.error(
                400, f"limit must lie between 1 and {MOST_ON_A_PAGE}, got {limit}", "VALIDATION_ERROR"
            )
        if not after.isdecimal():
            return error_bodies.error(400, f"after is no cursor: {after}", "VALIDATION_ERROR")
        asked = [owner for owner in self._owners if _is_asked_for(owner, query)]
        wanted = [owner for owner in asked if int(owner.id) > int(after)]
        shown = wanted[: int(limit)]
        body: dict[str, Any] = {"results": [_listed(owner) for owner in shown]}
        if len(wanted) > len(shown):
            last = shown[-1].id
            body["paging"] = {"next": {"after": last, "link": f"?after={last}&limit={limit}"}}
        return Answer(200, body)


def _is_asked_for(owner: Owner, query: Mapping[str, str]) -> bool:
    if owner.archived != (query.get("archived", "").lower() == "true"):
        return False
    address = query.get("email", "").strip().lower()
    return not address or owner.email.lower() == address


def _listed(owner: Owner) -> dict[str, Any]:
    user_id = _user_id(owner)
    body: dict[str, Any] = {
        "id": owner.id,
        "email": owner.email,
        "type": owner.type,
        "firstName": owner.first_name,
        "lastName": owner.last_name,
        "userId": user_id,
        "userIdIncludingInactive": user_id,
        "createdAt": "2019-12-25T13:01:35.228Z",
        "updatedAt": "2023-08-22T13:40:26.790Z",
        "archived": owner.archived,
    }
    if owner.archived or owner.type == "QUEUE":
        del body["userId"]
    if owner.type == "QUEUE":
        del body["email"], body["userIdIncludingInactive"]
    return body


def _user_id(owner: Owner) -> int:
    return int(owner.id) % 10_000_000 + 5_000_000
