"""The structure that uploader/README.md describes: imports, modules that do I/O, folders of tests."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import uploader

PACKAGE = Path(uploader.__file__).parent
REPOSITORY = PACKAGE.parent
TESTS = REPOSITORY / "tests"
SUPPORT = TESTS / "support"
MODULES = {
    ".".join(("uploader", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

#: Each layer imports only layers above it in this list, and itself.
LAYERS = (
    ("errors", "version"),
    ("model",),
    ("system",),
    ("hubspot",),
    ("records",),
    ("option_files",),
    ("sources",),
    ("storage",),
    ("pipeline",),
    ("settings",),
    ("canary", "lists"),
    ("associations",),
    ("jobs",),
    ("properties",),
    ("check", "report", "undo", "verify"),
    ("preview",),
    ("plans",),
    ("api",),
    ("cli",),
    ("__main__",),
)

#: All other modules are pure: they import nothing of `_IO_MODULES`.
DO_IO = """
    system.blocking_calls system.boot_id system.disk_buckets system.disk_flush system.file_locks
    system.filesystem_of_path system.installation system.private_files system.same_place system.sqlite
    system.stop_signals system.supported_systems system.system_programs system.temporary_folder
    system.whole_file
    hubspot.client hubspot.lists hubspot.sign_in.credential_files hubspot.sign_in.token_command
    hubspot.sign_in.token_provider hubspot.tls
    option_files.mapping option_files.owner_map option_files.suppression option_files.text
    option_files.value_tables
    sources.bytes.compression sources.bytes.local sources.bytes.remote sources.patterns
    sources.database_urls sources.put_rows sources.python_rows
    sources.sql.connection sources.sql.sql_source sources.sql.sqlite_file
    storage.associations_file storage.files_to_purge storage.checkpoint storage.checkpoint_tables.canary
    storage.checkpoint_tables.failed_and_pending_rows storage.checkpoint_tables.opt_outs
    storage.checkpoint_tables.progress_and_tallies
    storage.checkpoint_tables.settings_periods storage.checkpoint_tables.timeline storage.duplicates_file
    storage.created_records_file storage.file_names storage.keys_of_one_contact_file
    storage.keys_of_results storage.list_file storage.opt_outs_file
    storage.output_files storage.results_file storage.rows_of_results storage.rows_without_snapshot
    storage.snapshot storage.snapshot_entry_origins storage.undo_progress
    pipeline.accounting.commits
    pipeline.collector pipeline.feed pipeline.producer pipeline.rate.in_flight_slots
    pipeline.requests.attempts pipeline.requests.contact_reader pipeline.requests.write_outage_probe
    pipeline.searched_records pipeline.sender pipeline.worker pipeline.worker_pool
    settings.output settings.sign_in
    lists.addition
    associations.link_writer associations.links_list associations.results_of_another_job associations.run
    jobs.corrected_rows
    jobs.early_ending jobs.opening jobs.outcome_stream jobs.preflight jobs.resume_checks jobs.scans.duplicates
    jobs.pipeline jobs.scans.link_values jobs.scans.survey jobs.session jobs.upload
    check.links
    properties.creation properties.creation_record
    preview.overlay preview.run
    undo.job.kept_list undo.job.parts undo.job.run undo.job.state
    undo.around_records undo.batch_worker undo.links undo.record_list undo.other_jobs
    undo.run undo.undo_file undo.work_list
    verify.corrections verify.differences verify.job verify.result_file verify.run verify.verify_file
    plans.other_files plans.record_file plans.run
    api.features api.keyword_values api.options api.preparation api.put_job api.reports api.running
    api.started_job api.sync api.uploader
    cli.commands.check cli.commands.create_properties cli.commands.demo cli.commands.failures
    cli.commands.help cli.commands.init cli.commands.migrate
    cli.commands.mock_server cli.commands.preview cli.commands.properties cli.commands.purge
    cli.commands.report cli.commands.status cli.commands.undo cli.commands.upload cli.commands.verify
    cli.demo_files cli.guide.run cli.guide.terminal cli.logs cli.main cli.option_variables
    cli.undo.approval
    cli.options.columns cli.options.connection cli.options.project
    cli.output cli.pages cli.plans.each_step cli.plans.overview cli.plans.watcher
    cli.progress
    cli.project_file cli.project_reading cli.status_watch cli.summary_file
    cli.text.check.details cli.text.check.next_steps
    cli.text.project_draft cli.text.undo_state cli.typed_answer cli.terminal cli.work_display
    cli.workbook
"""
_IO_MODULES = """
    aiohttp aiolimiter asyncio io logging multiprocessing os pathlib random selectors shutil signal socket
    sqlite3 subprocess sys tempfile threading time urllib
"""
#: Where modules are counted.
TOPS = ("uploader", "tests", "benchmarks")
#: More modules in one folder are not seen at a glance.
_MOST_MODULES = 20


@cache
def _tree(module):
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
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
            # `from uploader.sources import names` imports the module, `from ... import Record` a name in one.
            found |= {name if (name := f"{base}.{alias.name}") in MODULES else base for alias in node.names}
    return found


def _layer(module):
    """The index of a module's layer; None for the public names and for the mock server."""
    _, _, inside = module.partition(".")
    head = inside.partition(".")[0]
    return next((index for index, names in enumerate(LAYERS) if head in names), None)


def _inside(module, *packages):
    return any(module == package or module.startswith(package + ".") for package in packages)


def _is_mock_server(module):
    return _inside(module, "uploader.mockserver")


_LAYERED = [module for module in MODULES if module != "uploader" and not _is_mock_server(module)]


def test_the_modules_are_found():
    assert "uploader.model.records" in _imports("uploader.hubspot.requests")
    assert "uploader.hubspot.requests" in _imports("uploader.pipeline.worker")
    assert {module for module in _LAYERED if _layer(module) is None} == set()


def test_no_module_imports_a_higher_layer():
    upward = [
        f"{module} imports {name}"
        for module in _LAYERED
        for name in sorted(_imports(module))
        if (_layer(name) or 0) > _layer(module)
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle():
    left = {module: {name for name in _imports(module) if name in MODULES} for module in _LAYERED}
    while leaves := [module for module, imported in left.items() if not imported & left.keys()]:
        for module in leaves:
            del left[module]
    assert left == {}


def test_only_the_modules_listed_do_io():
    io = set(_IO_MODULES.split())
    found = {module for module in _LAYERED if {name.split(".")[0] for name in _imports(module)} & io}
    listed = {f"uploader.{name}" for name in DO_IO.split()}
    assert found - listed == set(), "they do I/O and are not listed"
    assert listed - found == set(), "they are listed and do no I/O"


def test_commands_and_the_python_api_do_not_need_each_other():
    assert [m for m in _LAYERED if _inside(m, "uploader.cli") and "uploader.api" in _packages(m)] == []
    assert [m for m in _LAYERED if _inside(m, "uploader.api") and "uploader.cli" in _packages(m)] == []


def _packages(module):
    return {".".join(name.split(".")[:2]) for name in _imports(module)}


def test_the_mock_server_shares_nothing_with_what_it_tests():
    for module in filter(_is_mock_server, MODULES):
        own = [name for name in _imports(module) if _inside(name, "uploader")]
        assert [name for name in own if not _is_mock_server(name)] == [], module


def test_only_commands_import_the_mock_server():
    others = [m for m in MODULES if not _is_mock_server(m) and not _inside(m, "uploader.cli")]
    assert [module for module in others if any(map(_is_mock_server, _imports(module)))] == []


def _names(node):
    """`os.environ` for the expression that spells it; "" for what is no name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_names(node.value)}.{node.attr}"
    return ""


_FOR_COMMANDS_ONLY = frozenset(
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


def test_only_commands_print_exit_or_read_the_environment():
    others = [
        m for m in MODULES if not _inside(m, "uploader.cli", "uploader.__main__", "uploader.mockserver")
    ]
    assert {m: used for m in others if (used := _used_names(m) & _FOR_COMMANDS_ONLY)} == {}


@cache
def _used_names(module):
    nodes = list(ast.walk(_tree(module)))
    used = {_names(node) for node in nodes if isinstance(node, ast.Name | ast.Attribute)}
    aliases = {
        f"{node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return used | aliases


#: What Windows lacks, as modules and as names.
_POSIX_MODULES = frozenset({"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"})
_POSIX_NAMES = frozenset(
    {
        *("os.O_DIRECTORY", "os.O_NOFOLLOW", "os.O_NONBLOCK", "os.chown", "os.fchmod", "os.fdatasync"),
        *(
            "os.fork",
            "os.fsync",
            "os.geteuid",
            "os.getuid",
            "os.mkfifo",
            "os.pread",
            "os.pwrite",
            "os.statvfs",
        ),
        *("os.sysconf", "signal.SIGHUP", "loop.add_signal_handler"),
    }
)


def test_what_only_posix_has_is_used_by_the_system_layer_alone():
    others = [module for module in _LAYERED if not _inside(module, "uploader.system")]
    used = {m: (_imports(m) & _POSIX_MODULES) | (_used_names(m) & _POSIX_NAMES) for m in others}
    assert {module: names for module, names in used.items() if names} == {}


def test_only_one_module_opens_sqlite_files():
    """It refuses symbolic links, writes by what the file system allows, and names what went wrong."""
    assert [m for m in _LAYERED if "sqlite3.connect" in _used_names(m)] == ["uploader.system.sqlite"]


def test_every_module_says_what_it_is_for():
    # `__main__` is one line that calls the command line.
    silent = [m for m in MODULES if m != "uploader.__main__" and not ast.get_docstring(_tree(m))]
    assert silent == []


_PACKAGES = [
    module for module, path in MODULES.items() if path.name == "__init__.py" and module != "uploader"
]


@pytest.mark.parametrize("package", _PACKAGES)
def test_every_package_lists_its_modules(package):
    inside = [name for name in MODULES if name.rpartition(".")[0] == package]
    assert _listed(ast.get_docstring(_tree(package))) == sorted(name.rpartition(".")[2] for name in inside)


def _listed(docstring):
    """The names that a package's docstring lists, each before what it is."""
    return re.findall(r"^ *(\w+)  +\S", docstring, re.MULTILINE)


def test_the_map_names_every_package():
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    paths = [name.removeprefix("uploader.").replace(".", "/") for name in _PACKAGES]
    assert [path for path in paths if f"`{path}/`" not in text] == []


def test_no_folder_holds_too_many_modules():
    tops = [REPOSITORY / top for top in TOPS]
    folders = {path.parent for top in tops for path in top.rglob("*.py")}
    crowded = {
        str(folder.relative_to(REPOSITORY)): count
        for folder in folders
        if (count := len([p for p in folder.glob("*.py") if p.name != "__init__.py"])) > _MOST_MODULES
    }
    assert crowded == {}


def test_helpers_of_the_tests_live_in_support_alone():
    others = [
        str(path.relative_to(TESTS))
        for path in TESTS.rglob("*.py")
        if SUPPORT not in path.parents and path.name != "conftest.py" and not path.name.startswith("test_")
    ]
    assert others == []


def _first_names(path):
    """The first word of every name that a file imports from; "" for an import relative to its folder."""
    text = path.read_text(encoding="utf-8")  # to parse all tests takes seconds
    return re.findall(r"^ *(?:import|from) +(\w*)", text, re.MULTILINE)


def test_no_test_file_imports_from_another_test_file():
    # pytest puts `tests/` on the path, so its folders can be imported by their names.
    tests = {path.stem for path in TESTS.iterdir() if path != SUPPORT} | {"tests", ""}
    found = {str(path.relative_to(TESTS)): tests & set(_first_names(path)) for path in TESTS.rglob("*.py")}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "folder", [SUPPORT, SUPPORT / "links", SUPPORT / "model"], ids=lambda path: path.name
)
def test_support_lists_its_helpers(folder):
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    inside = {path.stem for path in folder.iterdir() if path.name[0] not in "_."}
    assert _listed(docstring) == sorted(inside)


def test_the_map_of_the_benchmarks_names_every_module():
    folder = REPOSITORY / "benchmarks"
    paths = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.py")}
    text = (folder / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w/]+)` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(path for path in paths if Path(path).name != "__init__")
