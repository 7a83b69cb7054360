"""The laws of the layout (uploader/README.md): who may import whom, and who may touch the world."""

import ast
from pathlib import Path

import pytest

import uploader

PACKAGE = Path(uploader.__file__).parent
MODULES = {
    ".".join(("uploader", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
_IO = frozenset(
    [
        "aiohttp",
        "aiolimiter",
        "asyncio",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
    ]
)


def _tree(module):
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def _imports(module):
    """Every module that is imported anywhere in it, also inside functions."""
    found = set()
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (above, node.module) if part)
            # `from uploader.core import wire` imports the module, `from ... import Record` a name in one.
            found |= {name if (name := f"{base}.{alias.name}") in MODULES else base for alias in node.names}
    return found


def _inside(module, *packages):
    return any(module == package or module.startswith(package + ".") for package in packages)


def _modules(*packages):
    return [module for module in MODULES if _inside(module, *packages)]


def _imported(modules, *forbidden):
    return [
        f"{module} imports {name}"
        for module in modules
        for name in sorted(_imports(module))
        if _inside(name, *forbidden)
    ]


def test_the_modules_are_found():
    assert len(_modules("uploader.core")) > 8
    assert "uploader.model.record" in _imports("uploader.hubspot.wire")
    assert "uploader.hubspot.wire" in _imports("uploader.pipeline.worker")


def test_core_imports_nothing_that_does_io():
    assert _imported(_modules("uploader.core"), *_IO) == []


def test_core_imports_nothing_of_the_package_but_core():
    others = [module for module in MODULES if not _inside(module, "uploader.core") and module != "uploader"]
    assert _imported(_modules("uploader.core"), *others) == []


def test_edges_and_run_do_not_import_commands():
    below = _modules("uploader.edges", "uploader.run", "uploader.settings", "uploader.errors")
    assert _imported(below, "uploader.commands", "uploader.cli.main", "uploader.library") == []


def test_commands_and_the_library_do_not_need_each_other():
    assert _imported(_modules("uploader.library"), "uploader.commands", "uploader.cli.main") == []
    assert _imported(_modules("uploader.commands", "uploader.cli.main"), "uploader.library") == []


def test_edges_do_not_import_run():
    assert _imported(_modules("uploader.edges"), "uploader.run") == []


def test_the_mock_server_shares_nothing_with_what_it_tests():
    for module in _modules("uploader.mockserver"):
        own = [name for name in _imports(module) if _inside(name, "uploader")]
        assert [name for name in own if not _inside(name, "uploader.mockserver")] == [], module


def test_nobody_but_commands_imports_the_mock_server():
    others = [module for module in MODULES if not _inside(module, "uploader.mockserver", "uploader.commands")]
    assert _imported(others, "uploader.mockserver") == []


def _names(node):
    """`os.environ` for the expression that spells it; "" for what is no name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_names(node.value)}.{node.attr}"
    return ""


_WORLD = frozenset(
    [
        "print",
        "input",
        "exit",
        "quit",
        "breakpoint",
        "sys.exit",
        "os._exit",
        "os.environ",
        "os.getenv",
        "os.environb",
        "sys.argv",
        "SystemExit",
        "click.echo",
        "click.secho",
        "sys.stdout.write",
        "sys.stderr.write",
    ]
)


@pytest.mark.parametrize(
    "module",
    [
        module
        for module in MODULES
        if not _inside(
            module, "uploader.cli.main", "uploader.__main__", "uploader.commands", "uploader.mockserver"
        )
    ],
)
def test_only_cli_and_commands_print_exit_or_read_the_environment(module):
    used = {_names(node) for node in ast.walk(_tree(module)) if isinstance(node, ast.Name | ast.Attribute)}
    aliases = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert (used | aliases) & _WORLD == set()


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is_for(module):
    tree = _tree(module)
    # `__main__` is one line that calls the command line.
    assert ast.get_docstring(tree) or module == "uploader.__main__", f"{module} has no docstring"


def test_imports_never_run_in_a_circle_between_the_rooms():
    rooms = ("uploader.core", "uploader.edges", "uploader.run", "uploader.commands")
    for rank, room in enumerate(rooms):
        assert _imported(_modules(room), *rooms[rank + 1 :]) == []
