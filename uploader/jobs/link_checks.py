"""Whether the account has what link columns name: the other object types, their properties, the scopes.

In    the link columns; the account's replies.
Out   what keeps the columns from being used, a text each, and what could not be checked.
Raise StopRun if the account can't be asked.
Rules By a property that is not unique one value may name many records, so it is refused; a company's domain,
      and names that the user says are unique, are searched for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from uploader.errors import SettingsError
from uploader.hubspot.missing_scopes import alternatives, lack_text, missing_scopes
from uploader.hubspot.object_types import are_contacts, noun, type_id
from uploader.hubspot.replies import Reply, whole_error
from uploader.hubspot.schema import Schema
from uploader.hubspot.sign_in.token_info import object_scopes
from uploader.jobs.preflight import Preflight
from uploader.model.associations import DOMAIN, NAME, LinkColumn
from uploader.model.records import EMAIL, OWN_ID
from uploader.records.columns import numbered
from uploader.records.headers.near_properties import NearProperties
from uploader.settings import Settings

_COMPANIES = "0-2"


@dataclass(slots=True)
class LinkProblems:
    """What was found."""

    problems: list[str] = field(default_factory=list)  #: with one of these no link can be made
    not_checked: list[str] = field(default_factory=list)


async def refuse_impossible_links(settings: Settings, preflight: Preflight) -> None:
    """SettingsError if the account lacks what link columns name."""
    if settings.associations and (found := await find_link_problems(settings, preflight)).problems:
        raise SettingsError(numbered(found.problems))


async def find_link_problems(settings: Settings, preflight: Preflight) -> LinkProblems:
    """Ask the account about the object types of the link columns."""
    found, columns = LinkProblems(), settings.associations
    scopes = await preflight.read_scopes(settings.token)
    found.problems += _lacking_scopes(columns, settings.object_type, scopes)
    for other in dict.fromkeys(one.object_type for one in columns):
        reply = await preflight.read_properties_of(other, settings.api_version)
        of_type = [one for one in columns if one.object_type == other]
        if reply.ok and reply.body:
            schema = Schema.decode(reply.body, has_addresses=are_contacts(other))
            found.problems += filter(None, (property_problem(one, schema) for one in of_type))
        elif reply.status == 403:
            names = alternatives(missing_scopes(reply.body)) or object_scopes(other).schema
            found.not_checked.append(
                f"whether {', '.join(sorted({one.by for one in of_type}))} of {noun(other).many} is unique: "
                f"the token may not read their properties (scope {names or 'of the object type'})"
            )
        else:
            found.problems.append(
                f"links of column {of_type[0].column!r}: HubSpot does not know the object type {other!r} "
                f"({_said(reply)})"
            )
    return found


def _said(reply: Reply) -> str:
    error = whole_error(reply)
    return " ".join(error.message.split())[:200] or f"HTTP {reply.status}"


def _lacking_scopes(
    columns: Sequence[LinkColumn], object_type: str, scopes: frozenset[str] | None
) -> Iterator[str]:
    """Texts about the scopes that links need and the token lacks, as far as they are known. What the rows'
    own records are linked with is read, too, and so are ids that no answer named.
    """
    if scopes is None:
        return
    others = dict.fromkeys(one.object_type for one in columns)
    needed: Mapping[str, None] = dict.fromkeys(
        scope
        for name in (object_type, *others)
        for scope in (object_scopes(name).write, object_scopes(name).read)
        if scope
    )
    if lacking := [name for name in needed if name not in scopes]:
        texts = " and ".join(lack_text([name]).removeprefix("the token lacks ") for name in lacking)
        yield f"links to {', '.join(noun(name).many for name in others)}: the token lacks {texts}; add it"


def property_problem(one: LinkColumn, schema: Schema) -> str:
    """Why records of another type cannot be found by the property of a link column; "" if they can."""
    if one.by == OWN_ID:
        return ""
    where, many = f"links of column {one.column!r}: ", noun(one.object_type).many
    if one.by not in schema.labels:
        near = NearProperties(schema.labels)
        close = (*near.same(one.by), near.misspelled(one.by))[0]
        meant = f"; did you mean {close}?" if close else ""
        return f"{where}{schema.no_property(f'of {many} with the name {one.by!r}')}{meant}"
    unique = schema.unique | ({EMAIL} if are_contacts(one.object_type) else set())
    is_searched = one.by == DOMAIN and type_id(one.object_type) == _COMPANIES
    if one.by in unique or is_searched or (one.by == NAME and one.unique_names):
        return ""
    fitting = [*sorted(unique), "id (HubSpot's own)"]
    if type_id(one.object_type) == _COMPANIES:
        fitting.append(DOMAIN)
    return (
        f"{where}{one.by!r} is not a unique property of {many} in this account, so a value may name "
        f"several of them; choose one of {', '.join(fitting)}"
    )
