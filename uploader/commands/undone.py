"""How it reads that a job was undone, for the commands that tell where it stands."""

from pathlib import Path

from uploader.core.undoing import UNDONE, Fate
from uploader.edges.checkpoint import Checkpoint
from uploader.edges.snapshot import place as snapshot_place
from uploader.edges.undoing import place, read_undone


def undone_text(checkpoint: Path) -> list[str]:
    """A line of it; none where nobody has undone the job, or begun to."""
    if not place(snapshot_place(checkpoint)).exists():
        return []
    opened = Checkpoint.open(checkpoint, read_only=True)
    try:
        job = opened.job_id()
    finally:
        opened.close()
    undone = read_undone(checkpoint, job) if job else None
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
