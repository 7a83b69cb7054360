"""Finds a job's list in the account, and says why records can't be put into it."""

from uploader.errors import SettingsError
from uploader.hubspot import lists
from uploader.hubspot.lists import READ_SCOPE, WRITE_SCOPE, RecordList
from uploader.hubspot.missing_scopes import lack_text, missing_scopes
from uploader.hubspot.object_types import TYPE_IDS, noun
from uploader.hubspot.replies import Reply
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.follow_up import Tools
from uploader.pipeline.reply_verdict import classify_read

#: More pages of lists whose names contain one name than an account has.
_MOST_PAGES = 50


async def check_list(tools: Tools, type_id: str, name: str) -> RecordList | None:
    """The list of this name, as far as it is there; nothing is written. SettingsError if records can't be put
    into it, or a new one can't have this name; StopRun if HubSpot does not answer.
    """
    scopes = await tools.read_scopes()
    lacking = [one for one in (READ_SCOPE, WRITE_SCOPE) if scopes is not None and one not in scopes]
    if lacking:
        raise SettingsError(f"--add-to-list: {lack_text(lacking[:1])}; add it, or leave the option out")
    found = await find_list(tools, type_id, name)
    if found is None:
        await _refuse_taken_name(tools, type_id, name)
    elif not found.is_static:
        raise SettingsError(f"--add-to-list: {not_static_text(found)}; use the name of another list")
    return found


async def find_list(tools: Tools, type_id: str, name: str) -> RecordList | None:
    """The list of this name; None if there is none. SettingsError if the token may not read lists."""
    reply = await tools.ask(lists.find_by_name(tools.paths, type_id, name))
    return None if reply.status == 404 else _list_of(reply)


async def read_list(tools: Tools, list_id: str) -> RecordList | None:
    """The list of this id; None if it was deleted."""
    reply = await tools.ask(lists.find_by_id(tools.paths, list_id))
    return None if reply.status == 404 else _list_of(reply)


async def _refuse_taken_name(tools: Tools, type_id: str, name: str) -> None:
    """SettingsError if a list of another object type has the name."""
    offset = 0
    for _ in range(_MOST_PAGES):
        reply = await tools.ask(lists.search(tools.paths, name, offset))
        if not reply.ok:
            raise refusal(reply)
        found, has_more = lists.decode_found(reply.body)
        for one in found:
            if one.name == name and one.type_id and one.type_id != type_id:
                raise SettingsError(
                    f"--add-to-list: the list {name!r} (id {one.id}) is of {_many(one.type_id)}; use "
                    "another name"
                )
        offset += len(found)
        if not has_more or not found:
            return


def plan_text(name: str, found: RecordList | None) -> str:
    """What becomes of a list, for the user."""
    if found is None:
        return f"the records are put into the list {name!r}, which does not exist yet and will be made"
    size = "" if found.size is None else f", {found.size:,} members"
    return f"the records are put into the list {name!r} (id {found.id}{size})"


def _many(type_id: str) -> str:
    known = type_id in TYPE_IDS.values()
    return noun(type_id).many if known else f"records of the type {type_id}"


def not_static_text(found: RecordList) -> str:
    return (
        f"the list {found.name!r} (id {found.id}) is active: HubSpot finds its members by filters, and takes "
        "no others"
    )


def _list_of(reply: Reply) -> RecordList:
    found = lists.decode_list(reply.body) if reply.ok else None
    if found is None:
        raise refusal(reply)
    return found


def refusal(reply: Reply) -> SettingsError | StopRun:
    """The error for a reply without which the list can't be found or made."""
    if reply.status == 403:
        scopes = missing_scopes(reply.body) or (READ_SCOPE,)
        return StopRun(Cause.SCOPE, f"{lack_text(scopes)} (--add-to-list)")
    verdict = classify_read(reply)
    return StopRun(verdict.cause or Cause.LIST, verdict.reason or "HubSpot does not describe the list")
