"""Properties to be created, created and archived, as lines and as JSON."""

from collections.abc import Iterator, Mapping, Sequence

from uploader.cli.text.table import table_lines
from uploader.hubspot.new_properties import Definition
from uploader.model.foreign_texts import harmless, printable
from uploader.properties import creation, removal
from uploader.properties.creation import Plan

_HEADER = ("name", "label", "type", "options", "group", "notes")


def plan_lines(plan: Plan, width: int) -> list[str]:
    """What is to be created, as a table, and what exists."""
    rows = [_cells(one) for one in plan.to_create]
    lines = table_lines(_HEADER, rows, width) if rows else []
    existing = {name: f"exists already{_but(why)}" for name, why in plan.existing.items()}
    earlier = dict.fromkeys(plan.ours, "created by an earlier run")
    return [*lines, *_named_lines({**existing, **earlier})]


def _cells(one: Definition) -> tuple[str, ...]:
    options = f"{len(one.options):,}" if one.options else ""
    notes = "unique" if one.is_unique else ""
    return one.name, harmless(one.label), f"{one.type}, {one.field_type}", options, one.group, notes


def _but(why: str) -> str:
    return f", but {why}" if why else ""


def _named_lines(named: Mapping[str, str]) -> Iterator[str]:
    return (f"{name}: {printable(text)}" for name, text in named.items())


def created_lines(report: creation.Report) -> list[str]:
    """The result of `create-properties`."""
    existing = {name: f"exists already{_but(why)}" for name, why in report.existing.items()}
    refused = {name: f"refused: {why}" for name, why in report.refused.items()}
    return [
        *_named_lines({**existing, **refused}),
        *_counts({"created": [name for name in report.created if name not in report.earlier]}),
        *_counts({"created by an earlier run": report.earlier}, if_any=True),
        *_counts({"existed": report.existing, "refused": report.refused}),
        *_counts({"left": report.left}, if_any=True),
    ]


def removed_lines(report: removal.Report, *, dry_run: bool) -> list[str]:
    """The result of `undo` for created properties."""
    kept = {name: f"kept: {why}" for name, why in report.kept.items()}
    return [
        *_named_lines(kept),
        *_counts({"archived": report.archived, "kept": report.kept}),
        *_counts({"gone: archived by others": report.gone}, if_any=True),
        *_counts({"to be archived" if dry_run else "left": report.left}, if_any=True),
    ]


def _counts(lists: Mapping[str, Sequence[str] | Mapping[str, str]], *, if_any: bool = False) -> Iterator[str]:
    return (f"{len(names):>6,}  {what}" for what, names in lists.items() if names or not if_any)


def created_dict(report: creation.Report) -> dict[str, object]:
    return {
        "created": report.created,
        "existing": report.existing,
        "refused": report.refused,
        "left": report.left,
        "record": str(report.record) if report.record else "",
        "account": report.portal,
        "requests": report.requests,
        "elapsed_seconds": round(report.elapsed_seconds, 3),
        "state": "stopped" if report.end else "complete",
        "reason": report.end.reason if report.end else "",
    }
