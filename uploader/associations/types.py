"""The account's types of links, by the labels that columns name."""

from collections.abc import Mapping, Sequence

from uploader.errors import SettingsError
from uploader.hubspot.associations import association_types, encode_label
from uploader.hubspot.object_types import noun
from uploader.hubspot.replies import Reply, whole_error
from uploader.hubspot.transport import Call
from uploader.model.associations import AssociationType, LinkColumn
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.follow_up import Tools
from uploader.pipeline.requests.attempts import Piece
from uploader.pipeline.requests.questions import Questions


async def resolve_types(
    columns: Sequence[LinkColumn], object_type: str, tools: Tools, *, creates_labels: bool = False
) -> Mapping[LinkColumn, AssociationType]:
    """Read the types and return that of each column. SettingsError if the account has no such type, unless
    the user has its label created: those columns are left out.
    """
    known = await read_types(dict.fromkeys(one.object_type for one in columns), tools)
    return {
        one: find_type(one, object_type, known[one.object_type])
        for one in columns
        if not (creates_labels and lacks_label(one, known[one.object_type]))
    }


def lacks_label(column: LinkColumn, known: Sequence[AssociationType]) -> bool:
    """Whether the account links the two types of records, but not with this label."""
    return bool(known) and bool(column.label) and _find(column.label, known) is None


async def create_labels(
    columns: Sequence[LinkColumn], object_type: str, tools: Tools
) -> Mapping[LinkColumn, AssociationType]:
    """Create the labels of columns that the account lacks, and return the type of each column. StopRun if
    HubSpot refuses one.
    """
    known = await read_types(dict.fromkeys(one.object_type for one in columns), tools)
    why: dict[LinkColumn, str] = {}

    async def settle(asked: Sequence[LinkColumn], reply: Reply) -> None:
        why[asked[0]] = "" if reply.ok else " ".join(whole_error(reply).message.split())

    def call(asked: Sequence[LinkColumn]) -> Call:
        path = tools.paths.association_labels.replace("{to}", asked[0].object_type)
        return Call("POST", path, encode_label(asked[0].label))

    for one in columns:
        if lacks_label(one, known[one.object_type]):
            # Sent again after an answer that was lost, it is refused, and there.
            await tools.attempts.run(Questions(call, settle), [Piece([one])])
            known = await read_types({**dict.fromkeys(known), one.object_type: None}, tools)
    for one in columns:
        if lacks_label(one, known[one.object_type]):
            reason = f"{one.label!r} of {one.object_type} could not be created: {why.get(one, '')}"
            raise StopRun(Cause.LABEL, reason)
    return {one: find_type(one, object_type, known[one.object_type]) for one in columns}


def find_type(column: LinkColumn, object_type: str, known: Sequence[AssociationType]) -> AssociationType:
    """The type that a column names by its label. SettingsError if there is none."""
    if (found := _find(column.label, known)) is not None:
        return found
    where = f"links of column {column.column!r}"
    pair = f"{noun(object_type).many} and {noun(column.object_type).many}"
    if not known:
        raise SettingsError(f"{where}: HubSpot does not link {object_type} with {column.object_type}")
    if not column.label:
        raise SettingsError(f"{where}: this account links {pair} by labels alone; choose {_named(known)}")
    raise SettingsError(
        f"{where}: links between {pair} have no label {column.label!r} in this account; {_instead(known)}"
    )


def _find(label: str, known: Sequence[AssociationType]) -> AssociationType | None:
    wanted = label.strip().lower()
    return next((one for one in known if one.label.strip().lower() == wanted), None)


def _instead(known: Sequence[AssociationType]) -> str:
    named = _named(known)
    return (f"choose {named}, or " if named else "") + "have it created with --create-labels"


def _named(known: Sequence[AssociationType]) -> str:
    labels = [f"{one.label!r}" for one in known if one.label]
    return ("one of " if len(labels) > 1 else "") + ", ".join(labels)


async def read_types(object_types: Mapping[str, None], tools: Tools) -> dict[str, Sequence[AssociationType]]:
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
