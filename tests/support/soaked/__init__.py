"""Parameters of a test, of which some are for `-m soak` alone: others show the same kinds of faults."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pytest


def some(*usual: Any, soaked: Iterable[Any]) -> list[Any]:
    """The usual ones, then those for `-m soak` alone."""
    return [*usual, *(_soaked(one) for one in soaked)]


def combined(*values: Iterable[Any], usual: Callable[..., bool]) -> list[Any]:
    """All combinations of values. `usual` says which ones always run; each value has to be in one of them."""
    lists = [list(each) for each in values]
    every = list(product(*lists))
    chosen = [one for one in every if usual(*one)]
    for number, each in enumerate(lists):
        assert all(value in [one[number] for one in chosen] for value in each), "a value never runs"
    return [one if usual(*one) else _soaked(one) for one in every]


def _soaked(one: Any) -> Any:
    return pytest.param(*(one if isinstance(one, tuple) else (one,)), marks=pytest.mark.soak)
