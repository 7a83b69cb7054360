"""What `help` shows of a function that takes options: each by its name, with its type, its default and its
meaning. The meanings are the sentences below the keywords in `options`, which editors show by themselves.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar, get_type_hints

from uploader.api import options as source
from uploader.api.options import DEFAULTS

Function = TypeVar("Function", bound=Callable[..., Any])
_WIDTH, _INDENT = 96, "    "


def with_options(kind: type) -> Callable[[Function], Function]:
    """Describe the options of a function, which takes those of this `TypedDict`."""

    def describe(function: Function) -> Function:
        listed = "\n".join(_lines(kind))
        function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nOptions:\n{listed}\n"
        function.__signature__ = _signature(function, kind)  # type: ignore[attr-defined]  # for `inspect`
        return function

    return describe


@cache
def meanings() -> dict[str, str]:
    """The sentence of each keyword. Empty where the program is installed without its source."""
    try:
        classes = ast.parse(inspect.getsource(source)).body
    except OSError:
        return {}
    found = {}
    for one in classes:
        for item, below in pairwise(one.body if isinstance(one, ast.ClassDef) else ()):
            if isinstance(item, ast.AnnAssign) and isinstance(below, ast.Expr):
                assert isinstance(item.target, ast.Name)
                found[item.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return found


def _lines(kind: type) -> Iterator[str]:
    for name in get_type_hints(kind):
        yield f"{_INDENT}{name}"
        yield textwrap.indent(textwrap.fill(meanings().get(name, ""), _WIDTH), 2 * _INDENT)


def _signature(function: Callable[..., Any], kind: type) -> inspect.Signature:
    """The function's own, with every option in place of `**options`, and without what is for tests."""
    plain = inspect.signature(function)
    own = [
        one
        for one in plain.parameters.values()
        if one.name != "seams" and one.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
        for name, hint in get_type_hints(kind).items()
        for default in [DEFAULTS[name]]  # type: ignore[literal-required]  # every key has one
    ]
    return plain.replace(parameters=[*own, *more])
