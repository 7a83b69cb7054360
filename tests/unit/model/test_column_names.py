"""Names of columns as they are compared."""

import pytest

from uploader.model.column_names import folded


@pytest.mark.parametrize(
    "name",
    [
        "First Name",
        " First  Name ",
        "First\u00a0Name",
        "First\nName",
        "\ufeffFir\u200bst Name",
        "F\u00adirst\tName",
    ],
)
def test_white_space_and_invisible_characters_make_no_other_name(name):
    assert folded(name) == "First Name"
