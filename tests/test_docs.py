"""README, manual and the other pages agree with the program: links, commands, options, variables, files."""

import importlib
import io
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
from rich.console import Console
from rich.markdown import Markdown

import uploader
from uploader.cli.commands.help import PAGES, topics, without_markup
from uploader.cli.main import COMMANDS, group
from uploader.cli.option_variables import variable
from uploader.mockserver.faults.scenario import Scenario
from uploader.model.outcomes import Outcome
from uploader.records.mapping_file import parse_mapping

ROOT = Path(__file__).parents[1]
MANUAL = sorted(PAGES.glob("*.md"))
FOR_USERS = [ROOT / "README.md", *MANUAL]
ALL = [
    *FOR_USERS,
    ROOT / "uploader/README.md",
    *sorted((ROOT / "benchmarks").glob("*.md")),
    *sorted((ROOT / ".github").glob("*.md")),
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
#: In these languages "uploader" is also an ordinary word.
_NO_SHELL = {"python", "toml", "yaml"}


def pages(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(ROOT)))


def text_of(path):
    return path.read_text(encoding="utf-8")


def prose(text):
    """Without fenced and indented code, where brackets are no links."""
    return re.sub(r"^    .*$", "", _FENCE.sub("", text), flags=re.MULTILINE)


def anchors(path):
    """The fragments that a web page of this Markdown has, one a heading."""
    headings = re.findall(r"^#+ (.*)$", prose(text_of(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(path):
    """(Language, line) of all code of a page; None is a shell's or what stands within a sentence."""
    text = text_of(path)
    for language, block in _FENCE.findall(text):
        yield from ((language or None, line) for line in block.replace("\\\n", " ").splitlines())
    rest = _FENCE.sub("", text)
    yield from ((None, line.strip()) for line in re.findall(r"^    (.*)$", rest, re.MULTILINE))
    yield from ((None, inline) for inline in _INLINE.findall(prose(text)))


def words(line):
    """Up to what ends a command: an operator of the shell, a comment, a closing quote."""
    found = shlex.shlex(line, posix=True, punctuation_chars=True)
    found.whitespace_split = True
    taken = []
    try:
        for word in found:
            if not word.strip("|&;<>()"):
                break
            taken.append(word)
    except ValueError:
        pass  # the rest of a text in another language
    return taken


def commands(path):
    """The arguments of every `uploader ...` on a page."""
    for language, line in code(path):
        for rest in re.findall(r"(?<![\w.])uploader +(\S.*)", line.partition(" # ")[0]):
            name = rest.split()[0]
            if name.isupper() or (language in _NO_SHELL and name not in COMMANDS):
                continue
            if taken := words(rest):
                yield taken


def options_of(command):
    return {option for param in command.params for option in (*param.opts, *param.secondary_opts)}


def all_commands():
    with click.Context(group) as context:
        return [group.get_command(context, name) for name in COMMANDS]


@pages(ALL)
def test_every_link_leads_somewhere(path):
    broken = []
    for _, target in _LINK.findall(prose(text_of(path))):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        page = path.parent / file if file else path
        if not page.exists() or (anchor and anchor not in anchors(page)):
            broken.append(target)
    assert broken == []


@pages(MANUAL)
def test_the_manual_links_to_nothing_that_is_not_installed_with_it(path):
    targets = [
        target.partition("#")[0] for picture, target in _LINK.findall(prose(text_of(path))) if not picture
    ]
    assert [
        t for t in targets if t and not t.startswith("https://") and not (PAGES / t).parent.samefile(PAGES)
    ] == []


@pages(ALL)
def test_every_command_is_understood(path):
    for arguments in commands(path):
        with click.Context(group) as context:
            command = group.get_command(context, arguments[0])
            if arguments[0].startswith("-"):
                assert arguments[0] in {"--help", "--version"}
                continue
            assert command is not None, arguments
            parser = command.make_parser(click.Context(command, info_name=arguments[0]))
            parser.parse_args([word for word in arguments[1:] if word != "--help"])


@pages(FOR_USERS)  # elsewhere other programs have options of their own
def test_every_option_that_is_named_exists(path):
    known = {option for command in all_commands() for option in options_of(command)} | {"--help", "--version"}
    named = {option for _, line in code(path) for option in re.findall(r"^(--[a-z][\w-]*)", line)}
    assert named - known == set()


@pages(FOR_USERS)
def test_every_variable_that_is_named_exists(path):
    known = {variable(param) for command in all_commands() for param in command.params}
    assert set(re.findall(r"(?<!\w)UPLOADER_[A-Z_]+", text_of(path))) - known - {"UPLOADER_"} == set()


@pages(ALL)
def test_every_file_of_the_repository_that_is_named_exists(path):
    named = {
        name
        for _, line in code(path)
        for name in re.findall(r"^(?:uploader|benchmarks|tests|\.ci|\.github)/\S+$", line)
    }
    assert [name for name in named if "<" not in name and not (ROOT / name).exists()] == []


@pages(ALL)
def test_every_module_and_extra_that_is_named_exists(path):
    lines = [line for _, line in code(path)]
    modules = {name for line in lines for name in re.findall(r"python -m (benchmarks[\w.]*)", line)}
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
    extras = {
        name for line in lines for group in re.findall(r"'\.\[([\w,]+)\]'", line) for name in group.split(",")
    }
    assert extras <= PROJECT["project"]["optional-dependencies"].keys()


def test_the_readme_is_short():
    text = text_of(ROOT / "README.md")
    assert len(text.splitlines()) <= 200
    assert len(text.encode()) <= 12_000


def test_the_readme_shows_no_picture_that_a_package_index_cannot_show():
    pictures = [target for picture, target in _LINK.findall(text_of(ROOT / "README.md")) if picture]
    assert [target for target in pictures if not target.startswith("https://")] == []


def test_every_command_is_explained():
    named = {arguments[0] for path in FOR_USERS for arguments in commands(path)}
    assert COMMANDS.keys() - named == set()


def test_the_index_of_the_manual_lists_every_page():
    index = text_of(PAGES / "README.md")
    assert sorted(re.findall(r"^\| \[([\w-]+)\]\(\1\.md\) \|", index, re.MULTILINE)) == topics()


@pages([path for path in MANUAL if path.name != "README.md"])
def test_every_page_begins_with_its_task(path):
    title, blank, task = text_of(path).split("\n", 3)[:3]
    assert (title[:2], blank, task[:7]) == ("# ", "", "*Task: ")


def test_links_of_the_readme_lead_somewhere_on_a_package_index_too():
    readme = text_of(ROOT / "README.md")
    text = readme
    for rule in PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    assert [target for _, target in _LINK.findall(prose(text)) if not target.startswith("https://")] == []
    linked = set(re.findall(r"\(uploader/docs/([\w-]+)\.md", readme))
    assert linked - set(re.findall(r"`uploader help ([\w-]+)`", text)) == set()


def test_each_version_of_python_that_is_named_is_tested():
    project = PROJECT["project"]
    named = [text.rpartition(" ")[2] for text in project["classifiers"] if re.search(r":: 3\.\d+$", text)]
    assert project["requires-python"] == f">={named[0]}"
    workflow = text_of(ROOT / ".github/workflows/tests.yml")
    assert re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", workflow)[1]) == named
    parts = re.findall(r"run: bash (\S+)$", workflow, re.MULTILINE)
    assert [part for part in parts if not (ROOT / part).is_file()] == []


def test_each_system_that_is_named_is_tested():
    """Of macOS the newest Python alone: the others differ from it as they do on Linux."""
    workflow = text_of(ROOT / ".github/workflows/tests.yml")
    runners = {"macos": "MacOS", "ubuntu": "POSIX :: Linux"}
    classifiers = (one.partition("Operating System :: ") for one in PROJECT["project"]["classifiers"])
    named = {system for _, found, system in classifiers if found}
    assert {runners[one] for one in re.findall(r"runs-on: (\w+)-latest", workflow)} == named
    newest = re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", workflow)[1])[-1]
    (job,) = [one for one in re.split(r"\n  (?=\w+:\n)", workflow) if "runs-on: macos" in one]
    assert f'python-version: "{newest}"' in job
    assert "run: bash .ci/suite" in job


def test_the_outcomes_are_those_of_the_program():
    table = re.search(r"## Outcomes of a row\n(.*?)\n## ", text_of(PAGES / "migration.md"), re.DOTALL)[1]
    cells = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    assert {name for cell in cells for name in _INLINE.findall(cell)} == {str(outcome) for outcome in Outcome}


def test_the_times_of_the_manual_follow_from_the_quota():
    row = r"^\| `[^|]* \| ([\d,]+) \| (\d+) min \| (\d+) min \|$"
    found = re.findall(row, text_of(PAGES / "migration.md"), re.MULTILINE)
    assert len(found) == 7
    for requests, *minutes in found:
        count = int(requests.replace(",", ""))
        assert [int(one) for one in minutes] == [round(count / quota * 10 / 60) for quota in (100, 190)]


def test_the_changelog_begins_with_this_version():
    dated = r"^## (\d\S*) (?:- \d{4}-\d\d-\d\d|\(unreleased\))$"
    versions = re.findall(dated, text_of(PAGES / "changelog.md"), re.MULTILINE)
    assert versions[0] == uploader.__version__
    assert versions == sorted(versions, key=lambda text: [*map(int, text.split("."))], reverse=True)


@pages(MANUAL)
def test_no_table_is_cut_off_on_a_terminal_of_eighty_columns(path):
    console = Console(width=80, file=io.StringIO())
    console.print(Markdown(without_markup(text_of(path)), hyperlinks=False))
    assert [line for line in console.file.getvalue().splitlines() if "…" in line] == []


def toml_blocks(name):
    return [block for language, block in _FENCE.findall(text_of(PAGES / name)) if language == "toml"]


def test_the_scenarios_of_the_manual_are_scenarios():
    scenarios = [Scenario.parse(tomllib.loads(block)) for block in toml_blocks("mock-server.md")]
    assert len(scenarios[0].faults) == 2


def test_the_mapping_files_of_the_manual_are_some():
    mapping, *others = map(parse_mapping, toml_blocks("input.md"))
    assert mapping.mapped == {"Cell phone": "mobilephone", "Renewal": "renewal_date"}
    assert {"": ("n/a", "-"), "Phone": ("0",), "Answer": ()} in [one.blank_values for one in others]


def test_in_the_help_links_between_pages_are_commands():
    links = "[Exit codes](migration.md#exit-codes), [here](#here), [input](input.md), [a](https://b.c)\n"
    page = f"<!-- a\nb -->\n![picture](a.png)\n\n{links}"
    assert without_markup(page) == ("Exit codes (`uploader help migration`), here, input, a (https://b.c)\n")


@pages(MANUAL)
def test_the_help_shows_no_markup_of_pictures_and_links(path):
    assert _LINK.findall(prose(without_markup(text_of(path)))) == []
