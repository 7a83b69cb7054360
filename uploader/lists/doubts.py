"""Who has put a record into a list, where the answer to the job's request was lost.

HubSpot tells of each member when it was added. A list that the job has made was empty before.
"""

from collections.abc import Mapping
from functools import partial

from uploader.hubspot import lists
from uploader.lists.named_list import refusal
from uploader.model.lists import Member
from uploader.pipeline.follow_up import Tools
from uploader.storage.list_file import ListFile

#: How far the clocks of HubSpot's servers may differ. `Clocks.server_now` is never late.
MARGIN_SECONDS = 0.5


async def settle_doubts(file: ListFile, tools: Tools, list_id: str) -> None:
    """Settle all records in doubt. StopRun if HubSpot does not answer."""
    run = tools.writer.run
    last = await run(file.last_doubtful)
    if last is None:
        return
    if (await run(lambda: file.about)).get("made"):
        await run(partial(file.end_doubts, Member.ADDED))
        return
    after = ""
    while True:
        reply = await tools.ask(lists.read_members(tools.paths, list_id, after))
        page = lists.decode_page(reply.body) if reply.ok else None
        if page is None:
            raise refusal(reply)
        members = _numbered(page.members)
        await run(partial(file.settle_doubts, members, MARGIN_SECONDS))
        after = page.after
        if not after or (members and max(members) >= last):
            break
    await run(partial(file.end_doubts, Member.ALREADY))  # not in the list any more


def _numbered(members: Mapping[str, float | None]) -> dict[int, float | None]:
    return {int(one): at for one, at in members.items() if one.isdecimal()}
