"""The list of the differences that a verification found, as a CSV file, and the first ones of each kind."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uploader.model.associations import LinkColumn
from uploader.storage.output_files import write_list
from uploader.verify.judge import Finding, Verdict
from uploader.verify.link_judge import LinkVerdict
from uploader.verify.links_table import LinkFinding
from uploader.verify.run import Verification

#: `to_id` and `value` are of links.
HEADER = (
    *("verdict", "row", "source", "key", "hubspot_id", "property", "wanted", "found", "note"),
    *("to_id", "value"),
)
#: The columns that lists of earlier versions have, too.
FORMER_HEADER = HEADER[:9]
_EXAMPLES = 5


@dataclass(slots=True)
class Examples:
    """The first differences of each kind."""

    findings: list[Finding] = field(default_factory=list)
    links: list[tuple[LinkColumn, LinkFinding]] = field(default_factory=list)


def write_differences(
    run: Verification, output: Path, names: Sequence[str], *, keeps_empty: bool
) -> Examples:
    """Write all findings. `names`: of the sources, those of later jobs included."""
    examples = Examples()
    write_list(output, HEADER, _listed(run, names, examples), keeps_empty=keeps_empty)
    return examples


def _listed(run: Verification, names: Sequence[str], examples: Examples) -> Iterator[Sequence[object]]:
    shown: Counter[Verdict] = Counter()
    for key, hubspot_id, finding in run.file.findings(run.settings.id_property):
        yield (
            finding.verdict.value,
            finding.row,
            names[finding.source],
            key,
            hubspot_id,
            finding.property,
            finding.wanted,
            finding.found,
            finding.note,
            "",
            "",
        )
        shown[finding.verdict] += 1
        if shown[finding.verdict] <= _EXAMPLES:
            examples.findings.append(finding)
    yield from _listed_links(run, names, examples)


def _listed_links(run: Verification, names: Sequence[str], examples: Examples) -> Iterator[Sequence[object]]:
    """The same for links. `property` is their column, `wanted` their label."""
    shown: Counter[LinkVerdict] = Counter()
    for column, finding in run.links.findings():
        yield (
            finding.verdict.value,
            finding.row,
            names[finding.source],
            finding.key,
            finding.from_id,
            column.column,
            column.label,
            finding.found,
            finding.note,
            finding.to_id,
            finding.value,
        )
        shown[finding.verdict] += 1
        if shown[finding.verdict] <= _EXAMPLES:
            examples.links.append((column, finding))
