"""What matters of a reply in which nothing asks for more, read at once."""

import re
from functools import lru_cache
from typing import Any

import msgspec

#: What msgspec takes in no name.
NOT_IN_NAMES = re.compile(r'["\\\x00-\x1f]')


def read_short(body: bytes, id_property: str) -> Any:  # noqa: ANN401  # its type is made for the property
    """What matters of a batch's answer, where nothing in it asks for more; None elsewhere.

    Out   an object with `results`, each with `id`, `new`, `trace` and `properties.key`.
    """
    if NOT_IN_NAMES.search(id_property):
        return None
    try:
        if not body.isascii():
            body.decode()  # msgspec passes over what it does not look at
        short = _short_decoder(id_property).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    is_clean = short.status in {"COMPLETE", ""} and not short.errors and not short.error_count
    return short if is_clean else None


@lru_cache(16)
def _short_decoder(id_property: str) -> msgspec.json.Decoder[Any]:
    key = msgspec.defstruct("Key", [("key", str, "")], rename={"key": id_property}, gc=False)
    result = msgspec.defstruct(
        "Result",
        [("id", str), ("properties", key), ("new", bool, False), ("trace", str, "")],
        rename={"trace": "objectWriteTraceId"},
        gc=False,
    )
    parts: list[Any] = [
        ("results", list[result]),  # type: ignore[valid-type]
        ("status", str, ""),
        ("errors", list[msgspec.Raw], []),
        ("error_count", int, 0),
    ]
    short = msgspec.defstruct("Short", parts, rename={"error_count": "numErrors"})
    return msgspec.json.Decoder(short)
