"""The scopes that a refusal names as missing.

In    the body of a 403, in each of the shapes that were seen: the scopes are in the context of the error
      itself, or of one of its details. One of them is enough.
Out   the names, for texts; none where the body names none. Other text than names is left out.
Raise nothing.
From  https://developers.hubspot.com/docs/api-reference/error-handling
"""

import re
from collections.abc import Mapping, Sequence

from uploader.hubspot.json_values import as_texts

#: What is read of an account.
DETAILS, PROPERTIES, OWNERS, PIPELINES = "details", "properties", "owners", "pipelines"
LIMITS, USAGE = "limits", "usage"
#: Levels of sensitive properties, as the API names them.
SENSITIVITIES = ("sensitive", "highly_sensitive")
#: The scope that this needs, if a refusal names none; those of the object type are in `token_info`.
DOCUMENTED_SCOPES = {DETAILS: "oauth", USAGE: "oauth", OWNERS: "crm.objects.owners.read"}

_KEYS = ("requiredGranularScopes", "requiredScopes", "missingScopes")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}")
_MOST_NAMED = 3


def missing_scopes(body: Mapping[str, object] | None) -> tuple[str, ...]:
    """The scopes that a body names."""
    if body is None:
        return ()
    details = body.get("errors")
    entries = [body, *(details if isinstance(details, list) else [])]
    contexts = [one.get("context") for one in entries if isinstance(one, dict)]
    found = [
        name for one in contexts if isinstance(one, dict) for key in _KEYS for name in as_texts(one.get(key))
    ]
    return tuple(dict.fromkeys(name for name in found if _NAME.fullmatch(name)))


def alternatives(scopes: Sequence[str]) -> str:
    """The names of scopes of which one is enough, as text."""
    return " or ".join(scopes[:_MOST_NAMED])


def lack_text(scopes: Sequence[str]) -> str:
    return f"the token lacks the scope {alternatives(scopes)}"
