"""A plan: each step is a project file, with the keys above the steps."""

import shlex
import tomllib
from pathlib import Path

import click
import jsonschema
import pytest

from uploader.cli.main import group, run
from uploader.cli.options.connection import CONNECTION_OPTIONS
from uploader.cli.options.parameters import NOT_IN_A_FILE, key_of, option_of
from uploader.cli.options.project import PROJECT_OPTION
from uploader.cli.options.source_and_key import job_settings
from uploader.cli.plans.sections import OF_THE_PLAN
from uploader.cli.project_file import checkpoint_of
from uploader.cli.project_reading import read_plan, read_project
from uploader.cli.project_schema import project_schema
from uploader.errors import SettingsError
from uploader.model.associations import LinkColumn

PLAN = """
portal = 44237313
snapshot = true
timezone = "Europe/Berlin"

[[step]]
name = "companies"
source = "companies.csv"
object_type = "companies"
id_property = "domain"
[step.columns]
"Account" = "name"

[[step]]
object_type = "contacts"
source = "people.csv"
snapshot = false
timezone = "UTC"
[step.columns]
"Mail" = { property = "email" }
[step.values."Stage"]
"Old" = "lead"

[[step]]
name = "work-addresses"
source = ["people.csv", "more.csv"]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def upload():
    found = group.get_command(click.Context(group), "upload")
    assert found is not None
    return found


def written(text: str) -> Path:
    path = Path("plan.toml")
    path.write_text(text, encoding="utf-8")
    return path


def parsed(*words: str) -> click.Context:
    return upload().make_context("upload", list(words), parent=click.Context(group))


def test_a_step_is_a_project_file_with_the_keys_above_the_steps():
    path = written(PLAN)
    companies, contacts, others = read_plan(path, upload()).steps
    assert [one.step for one in (companies, contacts, others)] == ["companies", "contacts", "work-addresses"]
    assert companies.values["--portal"] == contacts.values["--portal"] == "44237313"
    assert (companies.values["--snapshot"], contacts.values["--snapshot"]) == (True, False)
    assert (companies.mapping.mapped, contacts.mapping.mapped) == ({"Account": "name"}, {"Mail": "email"})
    assert companies.mapping.timezones == {"": "Europe/Berlin"}
    assert contacts.mapping.timezones == {"": "UTC"}
    assert contacts.mapping.values.replacements == {"Stage": {"old": "lead"}}
    assert contacts.place_of("--snapshot") == "line 17 of plan.toml"
    assert contacts.place_of("--portal") == "line 2 of plan.toml"
    assert contacts == read_project(Path("plan.toml#contacts"), upload())


def test_the_same_step_as_a_file_of_its_own_gives_the_same_settings():
    written(PLAN)
    alone = 'portal = 44237313\nsource = "people.csv"\nobject_type = "contacts"\ntimezone = "UTC"\n'
    Path("alone.toml").write_text(
        f'{alone}snapshot = false\n[columns]\n"Mail" = "email"\n[values."Stage"]\n"Old" = "lead"\n'
    )
    settings = []
    for name in ("plan.toml#contacts", "alone.toml"):
        with parsed("-f", name) as context:
            settings.append(job_settings(context.params))
        assert settings[-1].pop("repeated_options") == {"--project": (str(Path(name).absolute()),)}
        settings[-1].pop("project")
        settings[-1].pop("translation_places")  # other lines
    assert settings[0] == settings[1]


def test_steps_that_read_one_file_write_different_files():
    written(PLAN)
    files = []
    for step in read_plan(Path("plan.toml"), upload()).steps:
        with parsed("-f", str(step.path)) as context:
            files.append(checkpoint_of(step, context).name)
            assert job_settings(context.params)["job_name"] == step.job_name
    assert files == [
        "companies.csv.checkpoint",
        "people.csv.checkpoint",
        "people.csv.work-addresses.checkpoint",
    ]


def test_names_that_differ_in_case_only_write_different_files_where_they_are_one(monkeypatch):
    path = written(
        '[[step]]\nname = "a"\nsource = "People.csv"\n[[step]]\nname = "b"\nsource = "people.csv"\n'
    )
    assert [one.job_name for one in read_plan(path, upload()).steps] == ["", ""]
    monkeypatch.setattr("uploader.system.same_place.ignores_case", lambda _: True)
    assert [one.job_name for one in read_plan(path, upload()).steps] == ["", "b"]


def test_sources_of_one_name_write_different_files_in_one_folder():
    path = written(
        'checkpoint_dir = "jobs"\n[[step]]\nname = "a"\nsource = "x/d.csv"\n'
        '[[step]]\nname = "b"\nsource = "y/d.csv"\n'
    )
    assert [one.job_name for one in read_plan(path, upload()).steps] == ["", "b"]


A, B = '[[step]]\nname = "a"\nsource = "a.csv"\n', '[[step]]\nname = "b"\nsource = "b.csv"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("portal = 1\n", "plan.toml is no plan: it has no [[step]]. Upload it by itself, with upload -f"),
        ("step = []\n", "line 1: there is no step; a step begins with [[step]]"),
        ("step = 7\n", "line 1: steps must be tables, each of which begins with [[step]]"),
        (f"{A}sorce = 1\n", "line 4: unknown key 'sorce'; did you mean source?"),
        (f"nam = 1\n{A}", "line 1: unknown key 'nam'"),
        (f"{A}object-type = 'deals'\n", "line 4: unknown key 'object-type'; did you mean object_type?"),
        ('[[step]]\nsource = "a.csv"\n', "line 1: a step needs a name, such as"),
        (
            '[[step]]\nname = "a/b"\nsource = "a.csv"\n',
            "line 2: the name of a step, 'a/b', must be of letters",
        ),
        (f"{A}{A}", "line 5: two steps are called 'a'; give one another name"),
        (f'{A}[[step]]\nname = "b"\n', "step b has no source"),
        (f"{A}portal = 7\n", "line 4: portal holds for all steps: write it above the first [[step]]"),
        (f'{A}rate = "1/10"\n', "line 4: rate holds for all steps"),
        (f'source = "a.csv"\n{A}', "line 1: source belongs to one step: write it below its [[step]]"),
        (f'[columns]\n"X" = "email"\n{A}', "line 1: columns belongs to one step"),
        (f'{A}checkpoint = "c"\n{B}checkpoint = "c"\n', "the steps a and b would both write "),
        (f'{A}results = "r"\n{B}results = "r"\n', "the steps a and b would both write "),
        (f'{A}[[step]]\nname = "b"\nsource = "a.csv.results.csv"\n', "step b has the source "),
        (
            (
                f'{A}[step.columns]\n"X" = {{ associate = "deals", by = "id", '
                f'results = "b.csv.results.csv" }}\n{B}'
            ),
            "step a: 'X' needs the results of step b, which does not come before it; use { step = \"b\" }",
        ),
        (f"{A}token = 1\n", "line 4: token does not belong here: a project file holds no secrets"),
        (f'{A}{B}[step.columns]\n"X" = {{ propertie = "x" }}\n', "line 8: 'X': unknown key 'propertie'"),
    ],
)
def test_a_wrong_plan_is_refused_with_the_line(text, why):
    with pytest.raises(SettingsError) as error:
        read_plan(written(text), upload())
    assert why in str(error.value)
    assert "\n" not in str(error.value)


def test_keys_of_the_connection_hold_for_all_steps():
    options = [one(lambda: None).__click_params__[0] for one in CONNECTION_OPTIONS]
    assert OF_THE_PLAN.issuperset(key_of(one) for one in options if option_of(one) not in NOT_IN_A_FILE)
    assert set(map(key_of, upload().params)) >= OF_THE_PLAN


def test_steps_that_are_written_in_one_line_are_steps():
    path = written('step = [{ name = "a", source = "a.csv" }, { name = "b", source = "b.csv" }]\n')
    assert [one.step for one in read_plan(path, upload()).steps] == ["a", "b"]


def test_upload_takes_a_step_and_no_plan(capsys):
    written(PLAN)
    assert run(["upload", "-f", "plan.toml"]) == 2
    text = capsys.readouterr().err
    assert text.startswith("uploader: plan.toml is a plan of 3 steps, which migrate runs; for one of them")
    word = shlex.split(text.partition(" -f ")[2])[0]
    with parsed(PROJECT_OPTION, word) as context:
        assert context.params["sources"] == ("companies.csv",)
    assert run(["upload", "-f", "plan.toml#company"]) == 2
    assert "there is no step 'company'; did you mean companies?" in capsys.readouterr().err


def test_a_file_whose_name_looks_like_a_step_is_a_file():
    Path("plan.toml#a").write_text('source = "x.csv"\n')
    written(A)
    assert read_project(Path("plan.toml#a"), upload()).values["SOURCE"] == ["x.csv"]


LINKS = """
[[step]]
object_type = "companies"
source = "companies.csv"
id_property = "external_id"
[step.columns]
"Deal" = { step = "big-deals", by = "number" }

[[step]]
object_type = "contacts"
source = "people.csv"
[step.columns]
"Account" = { step = "companies", label = "Primary", separator = ";" }
"Boss" = { step = "contacts" }

[[step]]
name = "big-deals"
object_type = "deals"
source = "deals.csv"
match = ["number", "external_id"]
[step.columns]
"Who" = { step = "contacts" }
"""


def test_a_link_to_a_step_is_one_to_its_records_by_their_key():
    companies, contacts, deals = read_plan(written(LINKS), upload()).steps
    assert companies.mapping.associations == [LinkColumn("Deal", "deals", "number")]
    assert contacts.mapping.associations == [
        LinkColumn("Account", "companies", "external_id", "Primary", ";"),
        LinkColumn("Boss", "contacts", "email"),
    ]
    assert deals.mapping.associations == [LinkColumn("Who", "contacts", "email")]


@pytest.mark.parametrize(
    ("details", "why"),
    [
        ('{ step = "company" }', "line 6: 'X': there is no step 'company'; did you mean companies?"),
        ("{ step = 7 }", "line 6: 'X': there is no step 7; the steps are companies, deals"),
        ('{ step = "companies", associate = "deals" }', "line 6: 'X': step and associate exclude each other"),
        ('{ step = "deals" }', "line 6: 'X': step deals has no id_property, so say which property"),
        ('{ step = "companies", labl = "x" }', "line 6: 'X': unknown key 'labl'"),
    ],
)
def test_a_wrong_link_to_a_step_is_refused_with_the_line(details, why):
    plan = (
        f'[[step]]\nobject_type = "companies"\nid_property = "domain"\nsource = "a.csv"\n[step.columns]\n'
        f'"X" = {details}\n[[step]]\nobject_type = "deals"\nsource = "b.csv"\n'
    )
    with pytest.raises(SettingsError) as error:
        read_plan(written(plan), upload())
    assert why in str(error.value)


def test_only_a_plan_has_links_to_steps():
    Path("a.toml").write_text('source = "a.csv"\n[columns]\n"X" = { step = "companies" }\n')
    with pytest.raises(SettingsError, match="unknown key 'step'"):
        read_project(Path("a.toml"), upload())


@pytest.mark.parametrize("text", [PLAN, LINKS])
def test_the_schema_takes_plans(text):
    jsonschema.validate(tomllib.loads(text), project_schema(upload()))


@pytest.mark.parametrize(
    "text",
    [
        "step = []\n",
        f"{A}sorce = 1\n",
        f"{A}portal = 7\n",
        "step = 7\n",
        f'{A}[step.columns]\n"X" = {{ stp = "a" }}\n',
    ],
)
def test_the_schema_takes_no_wrong_plans(text):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), project_schema(upload()))


def test_links_may_be_by_the_results_of_a_step_before():
    link = '"X" = { associate = "deals", by = "id", results = "a.csv.results.csv" }'
    steps = read_plan(written(f"{A}{B}[step.columns]\n{link}\n"), upload()).steps
    assert [one.results for one in steps[1].mapping.associations] == ["a.csv.results.csv"]
