"""`uploader status`: where a job stands, read from its checkpoint, from another terminal too."""

import csv
import sys
from pathlib import Path

import click
import orjson

from uploader.commands.texts import ending_text, summary_text
from uploader.core.summary import Summary
from uploader.edges.checkpoint import Checkpoint
from uploader.edges.files import Lock


def read_summary(path: Path) -> Summary:
    """What the last commit says; whether a process works on it is told by the lock."""
    checkpoint = Checkpoint.open(path, read_only=True)
    try:
        state = checkpoint.state()
    finally:
        checkpoint.close()
    running = state.state != "complete" and Lock(path).is_held()
    return Summary(
        state.tallies,
        "running" if running else state.state,
        "" if running else state.reason or ("" if state.state == "complete" else "killed or interrupted"),
        state.elapsed_seconds,
    )


def _list_aliases(path: Path) -> None:
    checkpoint = Checkpoint.open(path, read_only=True)
    lines = csv.writer(sys.stdout)
    lines.writerow(("hubspot_id", "row", "key", "source"))
    try:
        names = [source.name for source in checkpoint.identity().sources]
        for alias in checkpoint.aliases():
            place = (alias.row, alias.key, names[alias.source]) if alias.row else ("unknown", "", "")
            lines.writerow((alias.hubspot_id, *place))
    finally:
        checkpoint.close()


@click.command(short_help="Show where a job stands.")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--aliases", is_flag=True, help="List rows of different keys that are one contact, as CSV.")
def command(checkpoint: Path, *, as_json: bool, aliases: bool) -> int:
    """Show where a job stands, as of its last commit (at most half a second ago)."""
    if aliases:
        _list_aliases(checkpoint)
        return 0
    summary = read_summary(checkpoint)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(summary.as_dict(), option=orjson.OPT_INDENT_2) + b"\n")
    else:
        print(summary_text(summary))
        print(ending_text(summary))
        if summary.state == "stopped":
            print("the command it was begun with goes on from here")
    return 0
