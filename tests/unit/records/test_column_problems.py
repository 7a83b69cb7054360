"""What is wrong with the columns of a source, each problem once."""

import pytest

from uploader.hubspot.schema import Kind, Schema
from uploader.records.column_problems import resolve_leniently
from uploader.records.columns import Rules

SCHEMA = Schema(
    labels={"email": "Email", "name": "Name"}, kinds=dict.fromkeys(("email", "name"), Kind("string"))
)


@pytest.mark.parametrize(
    ("mapped", "problem"),
    [
        ({"Record Id": "old_id"}, "'Record Id' cannot be mapped to 'old_id'"),
        ({"Record Id": "name"}, "no column is the id property 'old_id'"),
    ],
)
def test_a_column_for_a_key_that_the_account_lacks_is_not_called_missing(mapped, problem):
    rules = Rules(id_property="old_id", mapped=mapped, ignored=frozenset({"Name"}))
    (found,) = resolve_leniently(("Record Id", "Name"), rules, SCHEMA).problems
    assert found.startswith(problem)
