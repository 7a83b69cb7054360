"""The list of what an undo kept, and why: as a CSV file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from uploader.errors import CheckpointError
from uploader.model.records import display_key
from uploader.model.redaction import without_identifiers
from uploader.model.settings_periods import NotInSnapshot
from uploader.storage.output_files import write_list
from uploader.storage.rows_without_snapshot import list_rows_without_snapshot
from uploader.undo.plan import UndoOutcome
from uploader.undo.run import Undo

HEADER = (
    "outcome",
    "row",
    "source",
    "key",
    "hubspot_id",
    "property",
    "ours",
    "now",
    "written_by",
    "why",
)
#: The outcome, in the list, of a row without a snapshot.
_UNKEPT = "no snapshot"


@dataclass(slots=True)
class KeptList:
    """What the list holds."""

    path: Path  #: the file is not there if nothing was kept, and nobody has named it
    reasons: Counter[str]  #: how often each reason is given
    touched: int  #: records that the job created, kept because others have worked with them since
    hidden_scope: str  #: without which the token does not see whether others wrote sensitive properties
    object_type: str  #: of the records
    unlisted: int = 0  #: rows without a snapshot that cannot be listed
    why_unlisted: str = ""


def kept_path(snapshot: Path) -> Path:
    """The usual path of the list, beside the snapshot."""
    head, _, number = snapshot.name.rpartition(".snapshot")
    return snapshot.with_name(f"{head.removesuffix('.checkpoint')}.kept{number}.csv")


def write_kept(run: Undo, output: Path, *, keeps_empty: bool) -> KeptList:
    """Write the list of what was not undone."""
    schema = run.session.account.schema if run.session and run.session.account else None
    scope = schema.hidden_scope if schema and run.report.counts[UndoOutcome.ARCHIVED] else ""
    kept = KeptList(output, Counter(), run.file.kept_created(), scope, run.settings.object_type)
    write_list(output, HEADER, _listed(run, kept), keeps_empty=keeps_empty)
    return kept


def _listed(run: Undo, list_: KeptList) -> Iterator[Sequence[object]]:
    """Lines for what was kept and for rows without a snapshot. Reasons are counted."""
    for kept in run.file.kept():
        finding = kept.finding
        why = without_identifiers(finding.why)
        list_.reasons[f"{kept.outcome.value}: {finding.property or 'the whole record'}: {why}"] += 1
        yield (
            kept.outcome.value,
            kept.row,
            kept.source + 1,
            display_key(kept.key, [f"{kept.id_property}="], run.settings.id_property),
            kept.hubspot_id,
            finding.property,
            finding.ours,
            finding.now,
            finding.source,
            finding.why,
        )
    yield from _unkept(run.settings.checkpoint_path, run.report.unkept, list_)


def _unkept(checkpoint: Path, unkept: NotInSnapshot, list_: KeptList) -> Iterator[Sequence[object]]:
    """Rows that were written without a snapshot, as the results file names them."""
    listed, why = 0, "the results file does not list them"
    try:
        for row in list_rows_without_snapshot(checkpoint, unkept):
            cells = (row.row, row.source + 1 or "", row.key, row.hubspot_id)
            yield (
                _UNKEPT,
                *cells,
                "",
                "",
                "",
                "",
                f"{row.outcome} without --snapshot, so it cannot be undone",
            )
            listed += 1
    except CheckpointError:
        why = "the results file cannot be read, or was changed"
    if listed < unkept.written:
        list_.unlisted, list_.why_unlisted = unkept.written - listed, why
