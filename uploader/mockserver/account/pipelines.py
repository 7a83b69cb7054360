"""The reply of the pipelines endpoint. Pure. From the official schema."""

from collections.abc import Sequence
from typing import Any

from uploader.mockserver.account.behaviour_switches import Pipeline
from uploader.mockserver.account.default_properties import options_of

TIMES = {"createdAt": "2025-06-01T08:00:00.000Z", "updatedAt": "2025-06-01T08:00:00.000Z"}


def listed(pipelines: Sequence[Pipeline]) -> dict[str, Any]:
    """All pipelines with their stages. The endpoint has no pages."""
    return {"results": [_listed(one, place) for place, one in enumerate(pipelines)]}


def _listed(pipeline: Pipeline, place: int) -> dict[str, Any]:
    options = enumerate(options_of(pipeline.stages))
    stages = [_entry(option.value, option.label, at) | {"metadata": {}} for at, option in options]
    return _entry(pipeline.id, pipeline.label, place) | {"stages": stages}


def _entry(id_: str, label: str, place: int) -> dict[str, Any]:
    return {"id": id_, "label": label, "displayOrder": place, "archived": False, **TIMES}
