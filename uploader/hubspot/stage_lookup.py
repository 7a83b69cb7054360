"""Finds the pipeline or the stage in HubSpot that a text names.

In    the reply of the pipelines endpoint, which has no pages.
Out   an id, found by itself or by its label, in any case; else a `Fault` whose reason completes a sentence
      that begins with the text.
Raise nothing.
Rules The pipeline of the row decides: a stage of another one is never taken, not even by its id. Without a
      pipeline, and within one, a text that means several stages is refused, such as the id of one that is the
      label of another.
From  https://developers.hubspot.com/docs/api-reference/latest/crm/pipelines/guide
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
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
        self._stages = defaultdict[str, list[tuple[Pipeline, Stage]]](list)  #: by id, and by bare label
        for one in self._all.values():
            for stage in one.stages:
                for word in {stage.id, _bare(stage.label)}:
                    self._stages[word].append((one, stage))

    def __iter__(self) -> Iterator[Pipeline]:
        return iter(self._all.values())

    def find(self, text: str) -> str | Fault:
        """The id of the pipeline that a text names."""
        found = [one.id for one in self._all.values() if one.id == text or _bare(one.label) == _bare(text)]
        if len(found) > 1:
            return Fault(f"means several pipelines (ids {', '.join(found)}): {_ADVICE}", "OPTION")
        return found[0] if found else Fault("is not a pipeline of the account", "OPTION")

    def has_stage(self, text: str) -> bool:
        """Whether a text names a stage of any pipeline."""
        return text in self._stages or _bare(text) in self._stages

    def find_stage(self, text: str, pipeline: str | None = "") -> str | Fault:
        """The id of the stage that a text names.

        `pipeline`: the id of the row's pipeline; "" if the row has none, None if it is not a pipeline.
        """
        own = pipeline if pipeline in {"", *self._all} else self.find(pipeline or "")
        if isinstance(own, Fault):
            return Fault("is a stage of a pipeline that is not known", "OPTION")
        named = {
            stage.id: (one, stage)
            for word in dict.fromkeys((text, _bare(text)))
            for one, stage in self._stages.get(word, ())
            if own in {"", one.id} and (stage.id == text or _bare(stage.label) == _bare(text))
        }
        if len(named) == 1:
            return next(iter(named))
        if not named:
            where = f"the pipeline {self._all[own].label!r}" if own else "any pipeline"
            return Fault(f"is not a stage of {where}", "OPTION")
        pipelines = {one.id: one.label for one, _ in named.values()}
        if len(pipelines) > 1:
            advice = "name the pipeline in a column of its own or with --set"
            advice += "" if text in named else ", or use the id of the stage"
            listed = ", ".join(pipelines.values())
            return Fault(f"is a stage of several pipelines ({listed}): {advice}", "OPTION")
        several = ", ".join(f"{stage.label!r} with id {stage.id}" for _, stage in named.values())
        return Fault(f"means several stages of one pipeline ({several}): {_ADVICE}", "OPTION")


_ADVICE = "use an id or a name that only one of them has"


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
