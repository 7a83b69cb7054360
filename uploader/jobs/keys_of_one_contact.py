"""Find the keys of the sources that led to one contact, at the end of a job. It takes few reads, if any."""

from collections.abc import Iterator
from itertools import islice

from uploader.hubspot.replies import Result
from uploader.hubspot.requests import MAX_INPUTS, encode_read
from uploader.model.keys_of_one_contact import IdentityConflict, UpdatedContacts
from uploader.pipeline.keys_of_one_contact import conflict_of_unread, identity_conflicts, is_explained
from uploader.pipeline.read_matching import answers_for, unique_values, with_other_keys
from uploader.pipeline.requests.contact_reader import Reader
from uploader.storage.keys_of_one_contact_file import KeysOfOneContactFile
from uploader.system.blocking_calls import Offload

_Suspect = tuple[str, list[UpdatedContacts]]


async def find_identity_conflicts(
    keys_file: KeysOfOneContactFile, reader: Reader, offload: Offload, main: str
) -> list[IdentityConflict]:
    """The identity conflicts, contact by contact. `main`: the job's main id property."""
    suspects = _suspects(keys_file)
    found: list[IdentityConflict] = []
    while chunk := await offload.run(lambda: list(islice(suspects, MAX_INPUTS))):
        held: dict[str, Result] = {}
        unique, rest = _names(chunk), chunk
        asked = with_other_keys(unique)
        for _ in range(2):  # what an answer leaves out is asked for once more
            reply = await reader.read(
                [hubspot_id for hubspot_id, _ in rest],
                lambda ids, names=asked: encode_read("", ids, names),  # type: ignore[misc]
            )
            answers = answers_for("", [hubspot_id for hubspot_id, _ in rest], reply.results, reply.errors)
            held |= {one.held.id: one.held for one in answers if one.held is not None}
            rest = [suspect for suspect, one in zip(rest, answers, strict=True) if not one.is_definite]
            if not rest:
                break
        for hubspot_id, replies in chunk:
            if hubspot_id in held:
                values = unique_values(held[hubspot_id], unique)
                found += identity_conflicts(hubspot_id, values, replies, main)
            else:
                found.append(conflict_of_unread(hubspot_id))
    return found


def _suspects(keys_file: KeysOfOneContactFile) -> Iterator[_Suspect]:
    for hubspot_id, replies in keys_file.repeated():
        if not is_explained(replies):
            yield hubspot_id, replies


def _names(chunk: list[_Suspect]) -> list[str]:
    """The unique properties of the rows of these contacts."""
    rows = (row for _, replies in chunk for reply in replies for row in reply.rows)
    return sorted({value.partition("=")[0] for row in rows for value in row.lock_keys})
