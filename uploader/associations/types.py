"""The account's types of links, by the labels that columns name."""

from collections.abc import Mapping, Sequence

from uploader.errors import SettingsError
from uploader.hubspot.associations import association_types
from uploader.hubspot.client import Call
from uploader.hubspot.object_types import noun
from uploader.hubspot.replies import Reply
from uploader.model.associations import AssociationType, LinkColumn
from uploader.pipeline.follow_up import Tools
from uploader.pipeline.requests.attempts import Piece
from uploader.pipeline.requests.questions import Questions


async def resolve_types(
    columns: Sequence[LinkColumn], object_type: str, tools: Tools
) -> Mapping[LinkColumn, AssociationType]:
    """Read the types and return that of each column. SettingsError if the account has no such type."""
    known = await _read_types(dict.fromkeys(one.object_type for one in columns), tools)
    return {one: find_type(one, object_type, known[one.object_type]) for one in columns}


def find_type(column: LinkColumn, object_type: str, known: Sequence[AssociationType]) -> AssociationType:
    """The type that a column names by its label. SettingsError if there is none."""
    wanted = column.label.strip().lower()
    for one in known:
        if one.label.strip().lower() == wanted:
            return one
    where = f"links of column {column.column!r}"
    pair = f"{noun(object_type).many} and {noun(column.object_type).many}"
    if not known:
        raise SettingsError(f"{where}: HubSpot does not link {object_type} with {column.object_type}")
    if not wanted:
        raise SettingsError(f"{where}: this account links {pair} by labels alone; choose {_named(known)}")
    raise SettingsError(
        f"{where}: links between {pair} have no label {column.label!r} in this account; {_instead(known)}"
    )


def _instead(known: Sequence[AssociationType]) -> str:
    named = _named(known)
    return f"choose {named}, or create it" if named else "create it first"


def _named(known: Sequence[AssociationType]) -> str:
    labels = [f"{one.label!r}" for one in known if one.label]
    return ("one of " if len(labels) > 1 else "") + ", ".join(labels)


async def _read_types(object_types: Mapping[str, None], tools: Tools) -> dict[str, Sequence[AssociationType]]:
    found: dict[str, Sequence[AssociationType]] = {}

    async def settle(asked: Sequence[str], reply: Reply) -> None:
        if not reply.ok:
            raise SettingsError(f"HubSpot does not know the object type {asked[0]!r}: {reply.message}")
        found[asked[0]] = association_types(reply)

    path = tools.paths.association_labels
    question = Questions(lambda asked: Call("GET", path.replace("{to}", asked[0])), settle)
    for one in object_types:
        await tools.attempts.run(question, [Piece([one])])
    return found
