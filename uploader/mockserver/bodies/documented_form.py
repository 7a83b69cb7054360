"""Replies with all that the official schemas require of them, which recorded ones lack. Pure.

In    a reply's body in the form that was recorded; its status.
Out   the same in the documented form.
Rule  Nothing is changed that the schema allows. Where recorded replies differ:
      errors       `category` and `correlationId` in all of them, those of the token endpoints included
      error items  of a batch: `errors` and `links`; no text as `subCategory`
      records      no property with the value null
      associations ids as texts, no label that is null
      tokens       `token_use`, `user_id` and `signed_access_token`
From  https://github.com/HubSpot/HubSpot-public-api-spec-collection
"""

from collections.abc import Mapping
from typing import Any

Body = dict[str, Any]

_NO_SIGNATURE = {
    **dict.fromkeys(("appId", "expiresAt", "hubId", "installingUserId", "userId"), 0),
    **dict.fromkeys(("isPrivateDistribution", "isServiceAccount", "isUserLevel"), False),
    **dict.fromkeys(("appInstallId", "audience", "hublet", "newSignature", "scopes", "signature"), ""),
    **dict.fromkeys(("scopeToScopeGroupPks", "trialScopeToScopeGroupPks", "trialScopes"), ""),
}


def documented(status: int, body: Mapping[str, Any], correlation_id: str) -> Body:
    """The body of a reply in the documented form."""
    if status >= 400:
        return {"category": _category(body), "correlationId": correlation_id, **body}
    made = dict(body)
    if "errors" in made:
        made["errors"] = [_error_item(one) for one in made["errors"]]
    if isinstance(made.get("results"), list):
        made["results"] = [_result(one) for one in made["results"]]
    if "access_token" in made:
        made = {"token_use": "access_token", "user_id": 0, **made}
    if "token" in made:
        made["signed_access_token"] = _NO_SIGNATURE
    return made


def _category(body: Mapping[str, Any]) -> str:
    """The category of an error that gives it another name, or none."""
    return str(body.get("errorType") or body.get("error") or "UNSPECIFIED").upper()


def _error_item(item: Mapping[str, Any]) -> Body:
    made = {"context": {}, "errors": [], "links": {}, **item}
    made.pop("subCategory", None)
    return made


def _result(item: Mapping[str, Any]) -> Body:
    made = dict(item)
    if isinstance(made.get("properties"), Mapping):
        made["properties"] = _without_nulls(made["properties"])
    if "typeId" in made:
        made = _without_nulls(made)
    for name in ("fromObjectId", "toObjectId"):
        if name in made:
            made[name] = str(made[name])
    if isinstance(made.get("to"), list):
        made["to"] = [
            {
                "toObjectId": str(one["toObjectId"]),
                "associationTypes": [_without_nulls(kind) for kind in one["associationTypes"]],
            }
            for one in made["to"]
        ]
    return made


def _without_nulls(fields: Mapping[str, Any]) -> Body:
    return {name: value for name, value in fields.items() if value is not None}
