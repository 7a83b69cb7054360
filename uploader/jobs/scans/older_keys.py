"""A pass over the texts of a job that an earlier version began: are its keys read as they were then?

In    the job as found on disk.
Out   the progress of the pass.
Raise `CheckpointError` at the first row whose key is read in another way now, before anything is sent.
Rules Only what the wrappings of cells, such as `="01"`, and invisible characters change is compared. A stream
      that can be read once only is not.
"""

from collections.abc import Iterator

from uploader.jobs.opening import FoundJob
from uploader.jobs.resume_checks import has_older_rules, older_rules_error
from uploader.jobs.scans.survey import Step
from uploader.model.rows import Row, readable
from uploader.records.values.wrappings import unwrapped


def compare_keys(found: FoundJob) -> Iterator[Step]:
    """Compare the keys of all rows, if rows may have been sent by older rules."""
    checkpoint, position = found.checkpoint, 0
    if checkpoint is None or not found.may_be_sent:
        return
    settings = checkpoint.identity().settings
    if not has_older_rules(settings):
        return
    match = settings.get("match", [settings["id_property"]])
    for source, columns in zip(found.sources, settings["columns"], strict=True):
        keys = [int(index) for index, name in (columns or {}).items() if name in match]
        if source.shape.has_numbers or not source.is_repeatable:
            continue
        for part in source.slices(None):
            now = unwrapped(part.rows)
            for before, row in zip(part.rows, now, strict=True) if now is not part.rows else ():
                if _texts(before, keys) != _texts(row, keys):
                    raise older_rules_error(checkpoint, f"the key in row {row.number:,} of {source.name}")
            position += len(part.rows)
            yield Step(position)


def _texts(row: Row, keys: list[int]) -> list[str]:
    cells = readable(row.content)
    return [str(cells[index]).strip() for index in keys] if isinstance(cells, list | tuple) else []
