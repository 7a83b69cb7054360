"""How many cases of the model are tried: `--cases 10000`."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--cases", type=int, default=200, help="of the model test")


@pytest.fixture
def model_cases(request) -> int:
    return request.config.getoption("--cases")
