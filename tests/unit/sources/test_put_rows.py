"""Rows that a program puts one by one, as a stream of lines."""

from collections.abc import Mapping

import pytest

from uploader.sources.put_rows import PutRows
from uploader.sources.python_rows import Row


class _Broken(Mapping):
    """A row of a program that fails when it is read."""

    def __getitem__(self, name):
        raise KeyError(name)

    def __iter__(self):
        raise OSError("the other database is gone")

    def __len__(self):
        return 1


async def test_a_row_that_cannot_be_read_is_not_put_and_leaves_refs_where_they_are():
    rows = PutRows("rows", keeps_refs=True)
    await rows.put(Row({"email": "a@example.com"}, "first"))
    with pytest.raises(OSError, match="gone"):
        await rows.put(Row(_Broken(), "broken"))
    await rows.put(Row({"email": "b@example.com"}, "second"))
    assert rows.read().count(b"\n") == 2
    assert rows.refs == {1: "first", 2: "second"}
