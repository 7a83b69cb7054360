"""The verdict of `check`, and the commands to type next."""

from collections.abc import Sequence
from pathlib import Path

from uploader.check.report import Report
from uploader.cli.options.project import PROJECT_OPTION
from uploader.cli.text.next_command import (
    by_hand,
    next_command,
    path_word,
    portal_option,
    upload_line,
    without,
)
from uploader.model.counted import counted
from uploader.settings import Settings
from uploader.sources.names import STDIN, stem
from uploader.storage.file_names import unused

#: With this many undecided columns or more, a drafted mapping is suggested.
_MANY = 3


def verdict(report: Report) -> str:
    if report.exit_code == 0:
        return "no problem found"
    if report.problems:
        return f"upload cannot start: {counted(len(report.problems), 'problem')}, see below"
    if report.would_stop:
        return f"upload would stop before the end: {report.would_stop}"
    found = report.findings
    counts = {
        "invalid rows": found.invalid,
        "values left out": found.values_dropped,
        "repeated keys": found.repeated_keys,
        "shared values": found.shared_rows,
        "links to records that are not there": sum(one.missing + one.faults for one in report.links),
        "warnings": len(report.warnings),
    }
    return (
        f"upload would run; first look at the {', '.join((what for what, count in counts.items() if count))}"
    )


def next_steps(report: Report, settings: Settings, typed: Sequence[str]) -> list[str]:
    """What to do next, with the commands. Steps without a problem have none: those of the plan follow."""
    lacks = by_hand(settings.sources)
    account, closer = report.account, report.closer
    portal = (account.portal if account else "") or (closer.token.portal if closer else "")
    mapping = ["--mapping", report.drafted] if report.drafted else []
    typed = without(typed, "--mapping") if mapping else typed
    undecided = sum(column.is_undecided for column in report.columns)
    described = {"--mapping", PROJECT_OPTION} & settings.repeated_options.keys()
    can_draft = STDIN not in settings.sources and not mapping and not described
    if can_draft and undecided >= _MANY:
        draft = unused(Path(f"{Path(stem(settings.sources[0])).name}.toml"))
        return [
            f"next: say what the columns mean (--map, --ignore), or have it drafted{lacks}: "
            + next_command(typed, "check", ["--write-mapping", str(draft)])
        ]
    again = f"then{lacks} {next_command(typed, 'check', mapping)}"
    if report.problems or report.would_stop:
        what = "review and complete the draft" if mapping else "correct this"
        if report.project and undecided:
            what = f"{what} (init with --guide asks about the columns of {report.project})"
        if report.defined:
            what = f"create the properties of {path_word(report.defined)}, correct what else there is"
        return [f"next: {what}, {again}"]
    first = "review and complete the draft, then " if mapping else ""
    if settings.offline:
        return [f"next: {first}set HUBSPOT_ACCESS_TOKEN to the token, {again}"]
    if report.is_step and not first:
        return []
    more = [*mapping, *portal_option(settings.portal, portal)]
    return [
        f"next: {first}preview the changes{lacks}: {next_command(typed, 'preview', more)}",
        f"then {upload_line(typed, settings, more, is_undone=report.is_undone)}",
    ]
