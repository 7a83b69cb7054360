"""Finds the pipeline or the stage in HubSpot that a text names.

In    the reply of the pipelines endpoint, which has no pages.
Out   an id, found by itself or by its label, in any case; else a `Fault` whose reason completes a sentence
      that begins with the text.
Raise nothing.
Rules Stages of several pipelines may have one label. Then the pipeline of the row decides, and nothing else.
From  https://developers.hubspot.com/docs/api-reference/latest/crm/pipelines/guide
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from uploader.model.rows import Fault

#: Properties of stages, each with that of its pipeline. Their values are ids, and no property lists them.
STAGES = {"dealstage": "pipeline", "hs_pipeline_stage": "hs_pipeline"}
PIPELINES = frozenset(STAGES.values())


class Stage(NamedTuple):
    """One stage of a pipeline."""

    id: str
    label: str


class Pipeline(NamedTuple):
    """One pipeline, with its stages in order."""

    id: str
    label: str
    stages: tuple[Stage, ...] = ()


class Pipelines:
    """The pipelines of an object type."""

    def __init__(self, pipelines: Iterable[Pipeline]) -> None:
        self._all = {pipeline.id: pipeline for pipeline in pipelines}
        self._stage_ids = frozenset(stage.id for one in self._all.values() for stage in one.stages)

    def find(self, text: str) -> str | Fault:
        """The id of the pipeline that a text names."""
        if text in self._all:
            return text
        found = [one.id for one in self._all.values() if _bare(one.label) == _bare(text)]
        if len(found) > 1:
            return Fault("is the name of several pipelines: use the id", "OPTION")
        return found[0] if found else Fault("is not a pipeline of the account", "OPTION")

    def find_stage(self, text: str, pipeline: str = "") -> str | Fault:
        """The id of the stage that a text names. `pipeline`: the id of the row's pipeline, if it has one."""
        if text in self._stage_ids:
            return text
        candidates = [self._all[pipeline]] if pipeline in self._all else list(self._all.values())
        named = {
            stage.id: one for one in candidates for stage in one.stages if _bare(stage.label) == _bare(text)
        }
        if len(named) == 1:
            return next(iter(named))
        if named:
            several = ", ".join(dict.fromkeys(one.label for one in named.values()))
            return Fault(
                f"is a stage of several pipelines ({several}): name the pipeline in a column of its own or "
                "with --set, or use the id of the stage",
                "OPTION",
            )
        where = f"the pipeline {candidates[0].label!r}" if len(candidates) == 1 else "any pipeline"
        return Fault(f"is not a stage of {where}", "OPTION")


def decode_pipelines(body: Mapping[str, object]) -> Pipelines:
    """The pipelines of a reply; malformed entries are ignored."""
    return Pipelines(
        Pipeline(id_, label, tuple(Stage(*one) for one in _named(entry.get("stages"))))
        for entry, (id_, label) in ((entry, _name(entry)) for entry in _entries(body.get("results")))
        if id_
    )


def _named(entries: object) -> list[tuple[str, str]]:
    return [(id_, label) for id_, label in map(_name, _entries(entries)) if id_]


def _entries(value: object) -> list[Mapping[str, object]]:
    """The entries in display order."""
    entries = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return sorted(entries, key=lambda one: order if isinstance(order := one.get("displayOrder"), int) else 0)


def _name(entry: Mapping[str, object]) -> tuple[str, str]:
    id_, label = entry.get("id"), entry.get("label")
    return str(id_) if isinstance(id_, str | int) else "", label if isinstance(label, str) else ""


def _bare(name: str) -> str:
    return " ".join(name.split()).casefold()
