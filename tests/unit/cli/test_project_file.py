"""The project file: its keys are the options of `upload`, its columns those of a mapping file."""

import json
import re
import tomllib
from functools import cache
from pathlib import Path

import click
import jsonschema
import pytest

from support.processes import Ended, environment, run as run_forked
from uploader.check.bad_columns import BadColumn, BadValue
from uploader.check.mapping_draft import Draft, Drafted
from uploader.cli.commands.init import command as init, given_options
from uploader.cli.main import COMMANDS, group, run
from uploader.cli.options.parameters import NOT_IN_A_FILE, ONE_RUN, Kind, key_of, option_of, taken_by
from uploader.cli.options.project import PROJECT_OPTION
from uploader.cli.options.source_and_key import job_settings
from uploader.cli.project_file import checkpoint_of, job_words, project_in_use, words_beyond
from uploader.cli.project_reading import read_project
from uploader.cli.project_schema import project_schema
from uploader.cli.text.next_command import command_line, path_word
from uploader.cli.text.project_draft import project_text
from uploader.cli.text.upload_again import instead_of_file
from uploader.errors import SettingsError
from uploader.hubspot.schema import Option
from uploader.records.associations.link_columns import DETAILS
from uploader.records.mapping_file import key_schemas, parse_mapping

#: Values in TOML and in JSON.
ANY = {
    "true": True, "false": False, "7": 7, "7.5": 7.5, '"text"': "text", '" "': " ", '""': "", "[]": [],
    '["text"]': ["text"], "[7]": [7], '{ a = "b" }': {"a": "b"}, "{}": {},
}  # fmt: skip
#: The keys of a mapping file.
OF_COLUMNS = key_schemas()[0]


def command_of(name: str) -> click.Command:
    found = group.get_command(click.Context(group), name)
    assert found is not None
    return found


UPLOAD = command_of("upload")
NO_KEYS = {*ONE_RUN, *NOT_IN_A_FILE, PROJECT_OPTION}
KEYS = {key_of(one): one for one in UPLOAD.params if option_of(one) not in NO_KEYS}
#: Those of which a mapping file has one for all columns.
OF_ALL = sorted(key for key, one in OF_COLUMNS.items() if key in KEYS and one.get("type") != "object")
WITH_JOBS = [
    name
    for name in COMMANDS
    if name != "init" and {"SOURCE", "CHECKPOINT"} & set(map(option_of, command_of(name).params))
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, name: str = "contacts.toml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def parsed(*words: str, name: str = "upload") -> click.Context:
    return command_of(name).make_context(name, list(words), parent=click.Context(group))


def params(*words: str, name: str = "upload") -> dict[str, object]:
    found = dict(parsed(*words, name=name).params)
    found.pop("project")
    return found


def values_of(parameter: click.Parameter) -> list[object]:
    """Values of a file that an option takes, each of another kind."""
    taken = taken_by(parameter)
    if taken.choices:
        return [taken.choices[-1]]
    if taken.is_list:
        return [["a.b", "c d"], "a.b", ["a.b"]]
    return {
        Kind.FLAG: [True, False],
        Kind.WHOLE: [7],
        Kind.NUMBER: [7, 7.5],
        Kind.TEXT: ["some text", 7],
    }[taken.kind]


def words_of(parameter: click.Parameter, value: object) -> list[str]:
    """The same value on a command line."""
    if isinstance(value, bool):
        return [option_of(parameter)] * value
    if isinstance(parameter, click.Argument):
        return value if isinstance(value, list) else [value]
    if taken_by(parameter).is_list and not parameter.multiple:  # names with commas between them
        return [option_of(parameter), ",".join(value) if isinstance(value, list) else value]
    each = value if isinstance(value, list) else [value]
    return [word for one in each for word in (option_of(parameter), str(one))]


@pytest.mark.parametrize("key", KEYS)
def test_a_value_in_the_file_is_the_value_on_the_command_line(key):
    source = [] if key == "source" else ["a.csv"]
    for value in values_of(KEYS[key]):
        if key in OF_ALL and not isinstance(value, list):
            continue  # see the next test
        file = write(f"{key} = {json.dumps(value)}\n")
        for name in ("upload", "check", "preview"):
            typed = params(*source, *words_of(KEYS[key], value), name=name)
            assert params(*source, "-f", str(file), name=name) == typed


@pytest.mark.parametrize("key", OF_ALL)
def test_a_key_of_all_columns_is_the_option_without_a_column(key):
    value = OF_COLUMNS[key].get("enum", ["Europe/Berlin"])[0]
    file = write(f"{key} = {json.dumps(value)}\n")
    with parsed("a.csv", "-f", str(file)) as by_file:
        found = job_settings(by_file.params)
    with parsed("a.csv", option_of(KEYS[key]), value) as by_option:
        wanted = job_settings(by_option.params)
    assert found.pop("repeated_options") == {"--project": (str(file.absolute()),)}
    wanted.pop("repeated_options"), found.pop("project"), wanted.pop("project")
    assert found == wanted


def test_columns_are_those_of_a_mapping_file():
    columns = '[columns]\n"Cell" = "mobilephone"\n"Born" = { property = "born", date_order = "DMY" }\n'
    above = 'timezone = "Europe/Berlin"\non_bad_value = "drop"\n'
    file, mapping = write(f"portal = 7\n{above}{columns}"), write(above + columns, "map.toml")
    with parsed("a.csv", "-f", str(file)) as by_project:
        assert project_in_use().mapping == parse_mapping(above + columns)
        found = job_settings(by_project.params)
    with parsed("a.csv", "--mapping", str(mapping), "--portal", "7") as by_mapping:
        wanted = job_settings(by_mapping.params)
    for fields in (found, wanted):
        del fields["repeated_options"], fields["project"]
    assert found == wanted


def test_a_mapping_that_is_named_replaces_the_columns_of_the_file():
    file = write('[columns]\nA = "firstname"\n')
    other = write('[columns]\nB = "lastname"\n', "map.toml")
    with parsed("a.csv", "-f", str(file), "--mapping", str(other)) as context:
        assert job_settings(context.params)["mapped"] == {"B": "lastname"}


def test_options_go_before_variables_and_variables_before_the_file(monkeypatch):
    file = write('source = "a.csv"\nrate = "1/10"\nmap = ["A=a", "B=b"]\nsnapshot = true\nshare = "1%"\n')
    monkeypatch.setenv("UPLOADER_RATE", "2/10")
    monkeypatch.setenv("UPLOADER_SNAPSHOT", "0")
    monkeypatch.setenv("UPLOADER_PROJECT", str(file))
    found = params("--share", "3%", "--map", "C=c")
    assert (found["rate"], found["snapshot"], found["share"]) == ("2/10", False, "3%")
    assert found["mapped"] == ("C=c",)  # all values of the file are replaced
    assert params("b.csv")["sources"] == ("b.csv",)
    assert params()["sources"] == ("a.csv",)


def test_paths_are_relative_to_the_file_and_other_names_are_not_paths(folder):
    Path("client").mkdir()
    text = (
        'source = ["a.csv", "../b.csv", "/c.csv", "*.csv", "-", "s3://bucket/d.csv"]\nsuppress = "out.txt"\n'
    )
    file = write(text + 'checkpoint = "~/x.checkpoint"\nencoding = "utf-8"\n', "client/contacts.toml")
    found = params("-f", str(file))
    beside = ("client/a.csv", "client/../b.csv", "/c.csv", "client/*.csv")
    assert found["sources"] == (*beside, "-", "s3://bucket/d.csv")
    assert found["suppress_files"] == (Path("client/out.txt"),)
    assert found["checkpoint"] == Path.home() / "x.checkpoint"
    assert found["encoding"] == "utf-8"


def test_the_folder_of_a_pattern_is_no_pattern():
    Path("exports [1]").mkdir()
    file = write('source = "*.csv"\n', "exports [1]/contacts.toml")
    assert params("-f", str(file))["sources"] == ("exports [[]1]/*.csv",)


def of_one_run(option: str) -> str:
    return f"line 1: {option[2:].replace('-', '_')}: {option} is accepted on the command line only"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("portal = 7\nsnapshott = true\n", "line 2: unknown key 'snapshott'; did you mean snapshot?"),
        ("xyzzy = 1\n", "line 1: unknown key 'xyzzy'; a key is the name of an option of upload, with _"),
        ("sample = 7\n", "line 1: unknown key 'sample'"),  # of check alone
        ("[rates]\nx = 1\n[columns]\n", "line 1: unknown key 'rates'; did you mean rate?"),
        ('# token = 1\ntoken = "pat-secret"\n', "line 2: token does not belong here"),
        ('client_secret = "pat-secret"\n', "line 1: client_secret does not belong here"),
        ("\nsnapshot = 1\n", "line 2: snapshot must be true or false"),
        ("portal = true\n", "line 1: portal must be a text or a whole number"),
        ("portal = [1]\n", "line 1: portal must be a text or a whole number"),
        ('source = "\\u0000"\n', "line 1: source must be a text or a whole number, or a list of them"),
        ('rate = ""\n', "line 1: rate must be a text or a whole number"),
        ('canary = "many"\n', "line 1: canary must be a whole number"),
        ('write = "all"\n', "line 1: write must be one of overwrite, fill, create-only"),
        ("drain_timeout = true\n", "line 1: drain_timeout must be a number"),
        ("source = [true]\n", "line 1: source must be a text or a whole number, or a list of them"),
        ('source = "https://u:pat-secret@h/a.csv"\n', "line 1: source: the part of this URL behind"),
        ('source = "https://h/a.csv?sig=pat-secret"\n', "line 1: source: the part of this URL behind"),
        ("portal = 7\nrate = = 1\n", "not valid TOML: Invalid value (at line 2, column 8)"),
        ('mapping = "m.toml"\n[columns]\nA = "b"\n', "line 1: mapping names a file for the columns"),
        ('date_order = "DYM"\n', "line 1: date_order 'DYM' is not one of"),
        ("project = 1\n", "line 1: unknown key 'project'"),
        *((f"{option[2:].replace('-', '_')} = true\n", of_one_run(option)) for option in ONE_RUN),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_by_its_line(text, wanted):
    with pytest.raises(SettingsError) as raised:
        read_project(write(text), UPLOAD)
    assert str(raised.value).startswith(f"--project contacts.toml: {wanted}")
    assert "pat-secret" not in str(raised.value)


def ran(*words: str, **variables: str) -> Ended:
    return run_forked(*words, cwd=Path.cwd(), env={**environment(), **variables})


@pytest.mark.parametrize("line", ['portal = "abc"', 'max_failures = "five"', "max_in_flight = 0"])
def test_a_value_that_is_found_wrong_later_is_told_by_its_line(line):
    write(f'source = "a.csv"\n{line}\n')
    ended = ran("upload", "-f", "contacts.toml")
    assert ended.code == 2
    (message,) = ended.err.splitlines()
    assert "is set by line 2 of contacts.toml" in message


def test_a_mark_at_the_start_is_no_text_and_a_missing_file_is_told():
    file = write("\ufeffportal = 7\n")
    assert read_project(file, UPLOAD).values == {"--portal": "7"}
    with pytest.raises(SettingsError, match=r"cannot read --project other.toml: No such file"):
        read_project(Path("other.toml"), UPLOAD)


def test_a_project_file_is_not_taken_for_a_mapping_file(capsys):
    write("portal = 7\n[columns]\n")
    assert run(["check", "a.csv", "--mapping", "contacts.toml"]) == 2
    assert "line 1: unknown key 'portal'" in (text := capsys.readouterr().err)
    assert "-f" in text


@pytest.mark.parametrize("name", WITH_JOBS)
def test_every_command_that_names_a_job_takes_the_file(name):
    write('source = "exports/a.csv"\ncheckpoint_dir = "state"\n')
    context = parsed("-f", "contacts.toml", name=name)
    own = [context.params[one.name] for one in context.command.params if isinstance(one, click.Argument)]
    assert own in ([("exports/a.csv",)], [Path("state/a.csv.checkpoint")])


def test_a_job_is_found_as_upload_names_it(monkeypatch):
    file = write('source = ["exports/*.csv", "b.csv"]\n')
    with parsed("-f", str(file)):
        project = project_in_use()
        assert checkpoint_of(project) == Path("exports/_.csv.checkpoint")
        monkeypatch.setenv("UPLOADER_CHECKPOINT_DIR", "/state")
        assert checkpoint_of(project) == Path("/state/_.csv.checkpoint")


def test_a_job_without_a_name_is_asked_for(capsys):
    write("portal = 7\n")
    assert run(["status", "-f", "contacts.toml"]) == 2
    assert "--project contacts.toml: no source, so name the CHECKPOINT" in capsys.readouterr().err
    write('source = "-"\n')
    assert run(["status", "-f", "contacts.toml"]) == 2
    assert "stdin needs --checkpoint PATH" in capsys.readouterr().err


def test_a_checkpoint_that_is_named_goes_before_that_of_the_file(capsys):
    write('source = "a.csv"\n')
    assert run(["status", "other.checkpoint", "-f", "contacts.toml"]) == 2
    assert capsys.readouterr().err == "uploader: there is no checkpoint other.checkpoint\n"


# --- printed commands ---


def test_a_command_has_only_what_the_file_does_not_give():
    text = 'snapshot = true\nsuppress = ["a.txt", "b.txt"]\nmatch = ["email", "external_id"]\nset = "x=1"\n'
    file = write(text + 'portal = 7\nonly = "A"\n', "client.toml")
    with parsed("a.csv", "-f", str(file)):
        project = project_in_use()
        same = ["--match", "email,external_id", "--portal", "7", "--snapshot", "--suppress", "./a.txt"]
        other = ["--write", "fill", "--set", "x=1/", "--only", "A", "--only", "B"]
        assert words_beyond(project, [*same, "--suppress", str(Path("b.txt").absolute()), *other]) == [
            *("--only", "A", "--only", "B", "--set", "x=1/", "--write", "fill")
        ]


@pytest.mark.parametrize(
    ("text", "output", "delimiter", "wanted"),
    [
        ('encoding = "cp1252"\ndelimiter = ";"\n', "x.csv", ";", ["--encoding", "utf-8"]),
        ('delimiter = ";"\n', "x.tsv", "\t", ["--delimiter", "\t"]),
        ('delimiter = ";"\nformat = "csv"\n', "x.ndjson", "", ["--format", "ndjson"]),
        ('sheet = "Contacts"\n', "x.csv", ",", ["--sheet", ""]),
        (
            'sheet = "Contacts"\nencoding = "cp1252"\nformat = "csv"\n',
            "x.xlsx",
            "",
            ["--encoding", "", "--format", "", "--sheet", ""],
        ),
        ('checkpoint_dir = "state"\n', "x.csv", ",", []),
        ('checkpoint = "a.checkpoint"\n', "-x.csv", ",", ["--checkpoint", "./-x.csv.checkpoint"]),
        ('results = "a.results"\n', "x.csv", ",", ["--results", "x.csv.results.csv"]),
        ('encoding = "utf-8"\nformat = "csv"\nsnapshot = true\n', "x.csv", ",", []),
    ],
)
def test_what_the_file_says_of_its_own_sources_is_said_anew_for_another(text, output, delimiter, wanted):
    assert instead_of_file(output, delimiter, read_project(write(text), UPLOAD)) == wanted


def test_the_file_names_a_job_only_where_it_leads_to_it():
    file = write('source = "a.csv"\nbase_url = "http://localhost:1"\ntoken_file = "token"\n')
    Path("token").write_text("x")
    checkpoint, by_file = Path("a.csv.checkpoint"), ["-f", file]
    account = {"--base-url": ["http://localhost:1"], "--token-file": [str(Path("token").absolute())]}
    with parsed("-f", str(file), name="status"):
        assert job_words(checkpoint, {}) == by_file
        assert job_words(checkpoint.absolute(), account, account=True) == by_file
        other = account | {"--base-url": ["http://localhost:2"]}
        assert job_words(checkpoint, other, account=True) == [*by_file, "--base-url", "http://localhost:2"]
        typed = ["verify", "--base-url=http://localhost:3"]
        assert job_words(checkpoint, account, account=True, typed=typed) == [
            *by_file,
            "--base-url",
            "http://localhost:3",
        ]
        assert job_words(checkpoint, {}, account=True) == [
            checkpoint
        ]  # the usual account, not that of the file
        assert job_words(Path("b.csv.checkpoint"), {}) == [Path("b.csv.checkpoint")]
    recorded = {"--project": [str(file.absolute())]}
    with parsed("a.csv.checkpoint", name="status"):
        assert job_words(checkpoint, recorded) == ["-f", file.absolute()]
        file.unlink()
        assert job_words(checkpoint, recorded) == [checkpoint]


# --- the schema ---


@cache
def validator() -> jsonschema.Draft7Validator:
    schema = project_schema(UPLOAD)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("key", {**KEYS, **OF_COLUMNS})
def test_the_schema_takes_what_the_file_takes(key):
    some = [*OF_COLUMNS.get(key, {}).get("enum", ()), *(values_of(KEYS[key]) if key in KEYS else ())]
    for toml, value in {**ANY, **{json.dumps(one): one for one in some}}.items():
        # A path of digits alone is better written as a text.
        if key not in KEYS or not taken_by(KEYS[key]).is_path or value not in (7, [7]):
            is_taken = taken_by_the_parser(f"{key} = {toml}\n")
            assert validator().is_valid({key: value}) is is_taken, (key, value)


def taken_by_the_parser(text: str) -> bool:
    try:
        read_project(write(text), UPLOAD)
    except SettingsError:
        return False
    return True


@pytest.mark.parametrize("key", key_schemas()[1])
def test_the_schema_takes_what_the_mapping_takes_of_a_column(key):
    choices = key_schemas()[1][key].get("enum", ())
    beside = {"associate": {"by": "id"}} | {one: {"associate": "deals", "by": "id"} for one in DETAILS}
    for toml, value in {**ANY, **{json.dumps(one): one for one in choices}}.items():
        is_taken = taken_by_the_parser(f"[columns]\nA = {{ {key} = {toml} }}\n")
        assert validator().is_valid({"columns": {"A": {key: value}}}) is is_taken, (key, value)
        rest = {name: text for name, text in beside.get(key, {}).items() if name != key}
        entries = "".join(f'{name} = "{text}", ' for name, text in rest.items())
        is_taken = taken_by_the_parser(f"[columns]\nA = {{ {entries}{key} = {toml} }}\n")
        assert validator().is_valid({"columns": {"A": {**rest, key: value}}}) is is_taken, (key, value)


def test_the_schema_refuses_what_is_no_key():
    for document in ({"tokn": "x"}, {"yes": True}, {"project": "x"}, {"columns": {"A": {"x": 1}}}):
        assert not validator().is_valid(document)
    assert validator().is_valid({"columns": {"A": "email", "B": {"ignore": True}}})


def test_the_schema_is_printed(capsys):
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == project_schema(UPLOAD)


# --- init ---


def test_with_a_project_file_a_draft_is_that_file_with_what_it_lacks_in_the_same_folder(capsys):
    Path("a.csv").write_text("email,Zzz\na@x.com,1\n")
    Path("other").mkdir()
    file = write('source = ["a.csv"]\n\n[columns]\nemail = "email"  # mine\n', "contacts.toml")
    words = ["check", "-f", "contacts.toml", "--write-mapping"]
    assert run([*words, "other/new.toml"]) == 2
    assert "paths in it are relative to its folder" in capsys.readouterr().err
    assert run([*words, "new.toml"]) == 0
    assert "use it with -f" in capsys.readouterr().err
    assert Path("new.toml").read_text().startswith(file.read_text())
    assert read_project(Path("new.toml"), UPLOAD).values == read_project(file, UPLOAD).values


@pytest.mark.parametrize("given", [{}, {"values": "values.csv"}])
def test_drafted_values_are_proposed_in_a_file_that_is_read(given):
    lead = Option("Lead", "lead")
    bad = BadColumn(
        "Stage", "lifecyclestage", 2, [BadValue("Leads", 2, lead)], 0, is_complete=True, options=(lead,)
    )
    text = project_text(Path("contacts.toml"), given, Draft("", (), (bad,)), "")
    assert '# "Leads" = "lead"  # 2 cells; Lead?' in text
    project = read_project(write(text, "contacts.toml"), UPLOAD)
    assert project.mapping.values.replacements == {}
    assert ("--values" in project.values) == bool(given)


@pytest.mark.parametrize(
    "key", sorted(KEYS.keys() - {"source", "on_bad_value"})
)  # that is of all columns: see above
def test_every_option_of_init_is_a_key_of_its_file(key):
    Path("client").mkdir()
    for value in values_of(KEYS[key]):
        words = ["exports/a.csv", *words_of(KEYS[key], value)]
        with init.make_context("init", list(words), parent=click.Context(group)):
            given = given_options(Path("client"))
        file = write(project_text(Path("contacts.toml"), given, Draft("", ()), ""), "client/contacts.toml")
        found, wanted = params("-f", str(file)), params("--snapshot", *words)
        same = {name: str(one).replace("client/../", "") for name, one in found.items()}
        assert same == {name: str(one) for name, one in wanted.items()}


def test_a_draft_with_words_of_an_option_proposes_no_others_for_all_columns():
    text = project_text(Path("contacts.toml"), {"blank_value": ["n/a", "Tel=-"]}, Draft("", ()), "")
    assert 'blank_value = ["n/a", "Tel=-"]' in text
    assert "blank_values" not in text


@pytest.mark.parametrize("option", ONE_RUN)
def test_init_refuses_an_option_that_its_file_cannot_have(option, capsys):
    Path("a.csv").write_text("email\na@x.com\n")
    words = [option, "5"] if option == "--limit" else [option]
    assert run(["init", "a.csv", *words]) == 2
    assert f"init cannot write {option} into the file, where it would" in capsys.readouterr().err
    assert not Path("a.toml").exists()


def test_what_a_draft_only_shows_can_be_used():
    text = project_text(Path("contacts.toml"), {"source": ["a.csv"], "rate": "1/10"}, Draft("", ()), "")
    shown = write(re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE))
    project = read_project(shown, UPLOAD)
    assert project.values.keys() > read_project(write(text), UPLOAD).values.keys() == {
        "SOURCE", "--rate", "--snapshot",
    }  # fmt: skip
    assert project.mapping.blank_values == {"": ("n/a", "-")}


def test_a_draft_names_the_ways_with_opt_outs_where_a_column_has_some():
    columns = (Drafted("Email Opt Out", suppress=True),)
    assert '\n# opt_outs = "list"  #' in project_text(Path("contacts.toml"), {}, Draft("", columns), "")
    given = project_text(Path("contacts.toml"), {"opt_outs": "skip"}, Draft("", columns), "")
    assert '\nopt_outs = "skip"  #' in given
    assert "opt_outs" not in project_text(Path("contacts.toml"), {}, Draft("", ()), "")


def test_a_draft_names_the_keys_that_the_file_has():
    text = project_text(Path("contacts.toml"), {}, Draft("", ()), "", ["email", "badge"])
    assert '\n# match = ["email", "badge"]  # ' in text


@pytest.mark.parametrize("name", ["my file.toml", "it's.toml", "-f.toml", "a\nportal = 1.toml"])
def test_a_new_file_names_itself_as_a_shell_takes_it(name):
    """A line break in the name would begin a line of the file."""
    text = project_text(Path(name), {}, Draft("", ()), "")
    word = command_line(path_word(name)).removeprefix("uploader ")
    assert f" with -f {word}." in text.splitlines()[1]
    assert "portal" not in tomllib.loads(text)
