"""How it reads that a job was undone, for the commands that tell where it stands, and for scripts."""

from pathlib import Path

from uploader.core.undoing import UNDONE, Fate
from uploader.edges.checkpoint import Checkpoint
from uploader.edges.snapshot import place as snapshot_place
from uploader.edges.undoing import Undone, place, read_undone


def undone_text(checkpoint: Path) -> list[str]:
    """A line of it; none where nobody has undone the job, or begun to."""
    undone = _undone(checkpoint)
    if undone is None:
        return []
    counts = undone.counts
    others = sum(count for fate, count in counts.items() if fate not in UNDONE)
    when = f" on {undone.ended_at}" if undone.ended_at and not undone.left else ""
    parts = [
        f"{counts[Fate.ARCHIVED]:,} that it created are archived",
        f"{counts[Fate.RESTORED]:,} that it changed are restored",
        *([f"{others:,} are not"] if others else []),
    ]
    if not undone.left:
        return [f"it was undone{when}: {', '.join(parts)} (uploader undo {checkpoint} --restart looks again)"]
    return [f"it is being undone, {undone.left:,} are left: {', '.join(parts)} (the same undo goes on)"]


def undone_dict(checkpoint: Path) -> dict[str, object] | None:
    """Counts by fate, `left` and `ended_at` ("" while it goes on); None as above."""
    undone = _undone(checkpoint)
    if undone is None:
        return None
    counts = {fate.name.lower(): count for fate, count in undone.counts.items()}
    return {**counts, "left": undone.left, "ended_at": "" if undone.left else undone.ended_at}


def _undone(checkpoint: Path) -> Undone | None:
    if not place(snapshot_place(checkpoint)).exists():
        return None
    opened = Checkpoint.open(checkpoint, read_only=True)
    try:
        job = opened.job_id()
    finally:
        opened.close()
    return read_undone(checkpoint, job) if job else None
