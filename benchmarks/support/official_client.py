"""The official client's own form of a batch, for what is measured with it."""

from collections.abc import Mapping, Sequence
from typing import Any

from hubspot.crm.contacts import (
    BatchInputSimplePublicObjectBatchInputUpsert as Inputs,
    SimplePublicObjectBatchInputUpsert as Input,
)


def as_inputs(batch: Sequence[Mapping[str, Any]]) -> Inputs:
    """`batch`: inputs as they are sent."""
    return Inputs(
        inputs=[
            Input(
                id=one["id"],
                id_property=one["idProperty"],
                object_write_trace_id=one["objectWriteTraceId"],
                properties=one["properties"],
            )
            for one in batch
        ]
    )
