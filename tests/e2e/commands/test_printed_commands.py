"""Every command that a command prints as the next one works when it is pasted into a shell.

`PRINTED` lists each place that prints one. The tests paste what it prints, with names as people give them.
"""

import ast
import html
import os
import re
import sqlite3
import subprocess
from collections import Counter, deque
from contextlib import closing
from pathlib import Path

import orjson
import pytest

import uploader
from support.processes import TOKEN, dialogue, environment, kill, run, start
from uploader.cli.commands.demo import next_lines, show
from uploader.cli.main import COMMANDS

VERBS = "|".join(COMMANDS)
#: Places that print a word of a command, tested where they are.
PARTS = {"cli.text.project_draft:project_text"}
#: Module and function of each place that prints commands, with what it prints before each of them.
PRINTED = {
    "cli.commands.check:_say_next": ("then check all steps again: ",),
    "cli.commands.check:_create_command": (
        "review them, then create them: ",
        "which the account lacks; to create them: ",
    ),
    "cli.commands.create_properties:command": ("next: check the rows again, with these properties: ",),
    "cli.commands.create_properties:say_end": ("properties again while they are empty: ",),
    "cli.commands.demo:next_lines": (
        "state of the job: ",
        "a mock server to practise on: ",
        "for a real account, with its token in HUBSPOT_ACCESS_TOKEN: ",
    ),
    "cli.commands.demo:show": ("$ ",),
    "cli.commands.failures:failures_command": (
        "to correct the failed rows (1): ",
        "write the failed rows to a file, to correct them: ",
    ),
    "cli.commands.help:_help_of_command": ("the manual has no page 'nowhere'; ",),
    "cli.commands.help:_link_text": (" (`",),
    "cli.commands.init:_key_lines": ("have it drafted, with unique = true: ", "then create it: "),
    "cli.commands.init:_manual_lines": (
        "to link records, such as contacts with companies: ",
        "to upload several files as one, such as companies, then contacts: ",
    ),
    "cli.commands.init:_refuse_other_types": ("a project file each, or a plan (`",),
    "cli.commands.init:_write": ("next: decide on its columns, then ", "next: review it, then "),
    "cli.commands.migrate:_closing_lines": (
        "compare the records with the rows: ",
        "see the plan as pages: ",
    ),
    "cli.commands.migrate:_last_lines": ("to see all that was found: ",),
    "cli.commands.purge:_say_left": ("a job that uploaded failed rows of this one: ",),
    "cli.commands.report:_next_commands": (
        "list keys that led to the same contact: ",
        "compare the records with the rows: ",
        "see what an undo would do: ",
    ),
    "cli.commands.upload:closing_lines": ("compare the records with the rows: ", "see the job as a page: "),
    "cli.commands.upload:_report": ("the order of their rows is not certain: ",),
    "cli.guide.run:guide": ("go on later with: ",),
    "cli.guide.run:_create": ("first review the new properties, then create them: ",),
    "cli.guide.run:_end": ("next: review it, then ",),
    "cli.options.connection:_note_readers": ("holds a secret that other users can read; run: ",),
    "cli.plans.overview:continue_line": ("to begin anew: ", "to continue: "),
    "cli.plans.overview:migrate_line": ("next: upload all steps: ",),
    "cli.text.canary:anew_text": ("to begin anew, use --restart: ",),
    "cli.text.canary:approving_line": ("to continue: ", "to continue (pipe the same rows into it): "),
    "cli.text.check.next_steps:next_steps": (
        "have it drafted: ",
        "next: correct this, then ",
        "next: set HUBSPOT_ACCESS_TOKEN to the token, then ",
        "next: preview the changes: ",
        "next: preview the changes (pipe the same rows into it): ",
    ),
    "cli.text.check.details:_unseen_lines": ("records are assigned to (",),
    "cli.text.check.screen:_unseen_lines": ("workflows, costs, notices (",),
    "cli.text.next_command:upload_line": (
        "then upload: ",
        "next upload so that it can be undone, at twice the requests: ",
        "next upload so that it can be undone, at twice the requests (pipe the same rows into it): ",
    ),
    "cli.text.undo_state:newer_jobs_lines": ("and is not undone; undo it first: ",),
    "cli.text.undo_state:undone_text": ("to look at all of them again: ",),
    "cli.text.upload_again:upload_again_command": (
        "correct them, then upload them: ",
        "whose files this job did not record by name: ",
    ),
}
#: The functions that make commands. They are listed where they are called.
MAKERS = {"command_line", "next_command", "shell_word"}
COMMAND = re.compile(rf"^(.*?)(uploader (?:{VERBS})\b.*)$", re.MULTILINE)
OPTION_IN_PAGE = re.compile(r'<span class="option">([^<]*)</span>')
IN_PAGE = re.compile(rf"([^<>]*)(?:<[^>]*>|\s)*(uploader (?:{VERBS}) [^<]*)")
#: More than any of these jobs prints.
MOST = 20
#: The failed rows are not corrected here, so they fail again, and so on.
AGAIN = re.compile(r"\.failures(-\d+\.|\.\w+\.checkpoint)")
ROWS = [
    'E-Mail,First Name,Owner,Note\'s "text"',
    "a@example.com,Ann,Old Ann,x",
    "nonsense,Bob,Old Ann,y",
    "gone@example.com,Gone,Old Ann,z",
    "c@example.com,Cid,Old Ann,z",
]
MAPPING = """
[columns]
"E-Mail" = "email"
"First Name" = "firstname"
Owner = "hubspot_owner_id"
"Note's \\"text\\"" = { ignore = true }
"""

SHOWN = set[str]()


def shows(*leads):
    """The test pastes commands that are printed after these words, and sees to it that they were."""

    def mark(test):
        SHOWN.update(leads)
        test.leads = leads
        return test

    return mark


class Shell:
    """Pastes commands. A shell makes words of a line, with which a process is forked: that is cheap."""

    def __init__(self, folder):
        self.folder = folder
        self.token = TOKEN
        self.printed = ""

    def words(self, line):
        """The words of a command, as bash passes them to the program."""
        done = subprocess.run(
            ["/bin/bash", "-c", f"uploader() {{ printf '%s\\0' \"$@\"; }}\n{line}"],
            cwd=self.folder,
            env={"PATH": "", "LANG": "C.UTF-8"},
            capture_output=True,
            check=True,
        )
        assert not done.stderr, done.stderr
        return [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]

    def paste(self, line, *, piped=None, **variables):
        variables = environment(COLUMNS="80", HUBSPOT_ACCESS_TOKEN=self.token) | variables
        with open(piped or os.devnull, "rb") as rows:  # noqa: PTH123
            ended = run(*self.words(line), cwd=self.folder, env=variables, stdin=rows)
        text = ended.out + ended.err
        self.printed += text
        # It did what it says, or waits for the canary's approval. Anything else: it could not.
        is_done = ended.code in {0, 1, 3} or (
            ended.code == 2 and re.search(r"^ *PROBLEM: ", text, re.MULTILINE)
        )
        assert is_done, (line, ended)
        return ended.code, text

    def follow(self, *lines, piped=None, **variables):
        """Paste the lines, then every command that is printed. Returns their exit codes.

        `variables` are set for none but the first.
        """
        waiting, codes = deque(lines), {}
        while waiting:
            line = waiting.popleft()
            codes[line], text = self.paste(line, piped=piped, **(variables if line in lines else {}))
            is_page = line.startswith("uploader help")  # of what may be typed, with names to be filled in
            commands = [] if is_page else printed_commands(text)
            for page in self.folder.glob("*.html"):
                found = [
                    (html.unescape(a).strip(), html.unescape(b))
                    for a, b in IN_PAGE.findall(OPTION_IN_PAGE.sub(r"\1", page.read_text()))
                ]
                self.printed += "".join(f"{lead}: {command}\n" for lead, command in found)
                commands += [command for _, command in found]
                page.unlink()
            fresh = [one for one in dict.fromkeys(commands) if not AGAIN.search(one)]
            waiting += [one for one in fresh if one not in codes and one not in waiting]
            assert len(codes) < MOST
        return codes


def printed_commands(text):
    """All commands in a text: a whole end of a line, or what stands between backticks."""
    found = [(lead, command) for lead, command in COMMAND.findall(text)]
    return [command.partition("`")[0] if lead.endswith("`") else command for lead, command in found]


@pytest.fixture
def shell(tmp_path, request):
    folder = tmp_path / "Ann's  größte exports"
    folder.mkdir()
    shell = Shell(folder)
    yield shell
    unseen = [lead for lead in request.function.leads if lead not in shell.printed]
    assert unseen == []


def verbs_of(codes):
    return {line.split()[1] for line in codes}


@shows(
    "review them, then create them: ",
    "which the account lacks; to create them: ",
    "properties again while they are empty: ",
    "next: check the rows again, with these properties: ",
)
def test_properties_are_drafted_created_and_archived(shell, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    (shell.folder / "contacts.csv").write_text("email,Shoe size\na@example.com,42\n")
    drafted = "new 'properties'.toml"
    _, text = shell.paste(f'uploader check contacts.csv --write-properties "{drafted}" --base-url {mock.url}')
    file = shell.folder / drafted
    file.write_text(re.sub(r"^# (?=\[|\w+ = )", "", file.read_text(), flags=re.MULTILINE))
    (create,) = [line for line in printed_commands(text) if "create-properties" in line]
    (shell.folder / "contacts.toml").write_text(
        'source = "contacts.csv"\n[columns]\n"Shoe size" = "shoe_size"\n'
    )
    (shell.folder / "contacts.properties.toml").write_text(file.read_text())
    _, text = shell.paste(f"uploader check -f contacts.toml --base-url {mock.url}")
    assert "next: create the properties of contacts.properties.toml" in text
    (beside,) = [line for line in printed_commands(text) if "create-properties" in line]
    assert shell.paste(f"{beside} --dry-run")[0] == 0
    codes = shell.follow(create)
    assert verbs_of(codes) == {"create-properties", "undo"}
    (shell.folder / "contacts.toml").write_text('source = "contacts.csv"\n')
    _, text = shell.paste(f"{create} -f contacts.toml")
    (check,) = [line for line in printed_commands(text) if " check " in line]
    code, text = shell.paste(check)
    assert (code, "Shoe size  shoe_size" in text) == (0, True)


def test_every_place_that_prints_a_command_is_listed_and_shown():
    found = Counter[str]()
    package = Path(uploader.__file__).parent
    for path in package.rglob("*.py"):
        module, text = ".".join(path.relative_to(package).with_suffix("").parts), path.read_text()
        if "uploader " in text or any(maker in text for maker in MAKERS):  # to parse all takes seconds
            found.update(f"{module}:{function}" for function in places(ast.parse(text), ""))
    assert found.keys() - PARTS == PRINTED.keys()
    found = Counter({place: count for place, count in found.items() if place not in PARTS})
    assert {place for place, count in found.items() if len(PRINTED[place]) < count} == set()
    assert {lead for leads in PRINTED.values() for lead in leads} == SHOWN


def places(node, function):
    """The functions that print a command, once for each command; "" stands for a module."""
    for child in ast.iter_child_nodes(node):
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        inside = child.name if is_function else function
        if inside not in MAKERS and prints_a_command(child, node):
            yield inside
        yield from places(child, inside)


def prints_a_command(node, parent):
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in MAKERS
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and not isinstance(parent, ast.Expr):
        goes_on = isinstance(parent, ast.JoinedStr) and node.value.endswith("uploader ")
        return goes_on or re.search(rf"\buploader (?:{VERBS})\b", node.value) is not None
    return False


@shows(
    "next: preview the changes: ",
    "next upload so that it can be undone, at twice the requests: ",
    "to correct the failed rows (1): ",
    "correct them, then upload them: ",
    "write the failed rows to a file, to correct them: ",
    "compare the records with the rows: ",
    "see the job as a page: ",
    "see what an undo would do: ",
    "to look at all of them again: ",
    "records are assigned to (",
)
def test_from_check_to_undo_with_files_for_everything(shell, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    (shell.folder / "my file's.csv").write_text("\n".join(ROWS) + "\n")
    (shell.folder / "map 1.toml").write_text(MAPPING)
    (shell.folder / "owners $1.csv").write_text("Old Ann,41629779\n")
    (shell.folder / "values 1.csv").write_text("First Name,Ann,Anna\n")
    (shell.folder / "gone & away.txt").write_text("gone@example.com\n")
    codes = shell.follow(
        'uploader check "my file\'s.csv" --mapping "map 1.toml" --owner-map \'owners $1.csv\' '
        f"--values 'values 1.csv' --suppress 'gone & away.txt' --base-url {mock.url} --details",
    )
    codes |= shell.follow('uploader report "my file\'s.csv.checkpoint"')
    assert verbs_of(codes) == {"check", "help", "report", "preview", "upload", "failures", "verify", "undo"}
    (again,) = [line for line in codes if line.startswith("uploader upload") and "failures.csv" in line]
    assert "--mapping 'map 1.toml'" in again
    assert "--values 'values 1.csv'" in again
    assert not {"--map", "--ignore"} & set(again.split())
    (undo,) = [line for line in codes if line.startswith("uploader undo")]
    shell.follow(undo.replace("--dry-run", "--yes"), 'uploader status "my file\'s.csv.checkpoint"')


@shows("and is not undone; undo it first: ")
def test_the_undo_of_a_job_before_that_of_a_newer_one(shell, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    for name in ("old 'rows'", "new rows"):
        (shell.folder / f"{name}.csv").write_text(f"email,city\na@example.com,{name[:3]}\n")
        shell.paste(f'uploader upload "{name}.csv" --snapshot --base-url {mock.url}')
    undo = f"uploader undo \"old 'rows'.csv.checkpoint\" --base-url {mock.url}"
    codes = shell.follow(f"{undo} --dry-run")
    assert [line.split()[1] for line in codes] == ["undo", "undo"]
    assert shell.paste(undo)[0] == 0
    assert [one["archived"] for one in mock.contacts()] == [True]


@shows("a job that uploaded failed rows of this one: ")
def test_the_files_of_failed_rows_are_purged_after_those_of_their_job(shell, hubspot_mock):
    (shell.folder / "rows.csv").write_text("email\na@example.com\nnonsense\n")
    url = hubspot_mock(quota="100000/10").url
    for words in (f"upload rows.csv --base-url {url}", "failures rows.csv.checkpoint -o 'the failed.csv'"):
        shell.paste(f"uploader {words}")
    shell.paste(f"uploader upload 'the failed.csv' --base-url {url}")
    codes = shell.follow("uploader purge rows.csv.checkpoint --yes")
    assert set(codes.values()) == {0}
    assert {path.name for path in shell.folder.iterdir()} == {"rows.csv", "the failed.csv"}


@shows("correct them, then upload them: ")
def test_rows_that_csv_cannot_hold_with_a_token_file_and_an_account_named_by_a_variable(shell, hubspot_mock):
    """Also from another folder than the one in which the files were named."""
    mock = hubspot_mock(quota="100000/10")
    rows = [
        {"idProperty": "external_id", "id": "7", "properties": {"tier": "platinum"}},
        {"id": "a@example.com", "properties": {"firstname": "Ann"}},
    ]
    (shell.folder / "-inputs.ndjson").write_bytes(b"\n".join(map(orjson.dumps, rows)) + b"\n")
    (shell.folder / "my token").write_text(TOKEN)
    (shell.folder / "my token").chmod(0o600)
    (shell.folder / "nobody").write_text("nobody@example.com\n")
    shell.token = ""
    codes = shell.follow(
        "uploader upload ./-inputs.ndjson --token-file 'my token' --suppress nobody --api-version 2026-03",
        HUBSPOT_BASE_URL=mock.url,
    )
    assert any(line.startswith("uploader failures ./-inputs") and ".ndjson" in line for line in codes)
    (again,) = [line for line in codes if line.startswith("uploader upload ./-inputs.failures.ndjson")]
    for words in (f"--base-url {mock.url}", "--token-file 'my token'", "--api-version 2026-03"):
        assert words in again
    shell.folder = shell.folder.parent
    codes = shell.follow("uploader failures Ann*/-inputs.ndjson.checkpoint -o x.failures.ndjson")
    assert [line.split()[1] for line in codes] == ["failures", "upload"]


@shows("to continue: ")
def test_a_canary_is_approved(shell, hubspot_mock):
    """The typed --restart would send a canary again, and an option behind `--` would be a source."""
    mock = hubspot_mock(quota="100000/10")
    (shell.folder / "-c.csv").write_text("email\n" + "".join(f"c{n}@example.com\n" for n in range(9)))
    codes = shell.follow(
        f"uploader upload --restart --canary 2 --base-url {mock.url} -- -c.csv", UPLOADER_CANARY_WAIT="0"
    )
    assert list(codes.values()) == [3, 0, 0, 0]
    assert verbs_of(codes) == {"upload", "verify", "report"}
    assert len(mock.contacts()) == 9


@shows("to begin anew, use --restart: ")
def test_a_canary_that_was_undone_is_not_approved(shell, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    (shell.folder / "c.csv").write_text("email\n" + "".join(f"c{n}@example.com\n" for n in range(9)))
    typed = f"upload c.csv --canary 2 --canary-wait 0 --snapshot --base-url {mock.url}".split()
    assert run(*typed, cwd=shell.folder).code == 3
    assert run("undo", "c.csv.checkpoint", "--yes", "--base-url", mock.url, cwd=shell.folder).code == 0
    ended = run(*typed, "--approve-canary", cwd=shell.folder)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1), ended
    status = run("status", "c.csv.checkpoint", cwd=shell.folder).out
    assert ("--approve-canary" in status, "--restart added" in status) == (False, True)
    code, seen, _ = dialogue(shell.folder, lambda _: None, *typed)
    assert (code, "[y/N]" in seen) == (2, False), seen
    (anew,) = printed_commands(ended.err)
    shell.printed += ended.err
    assert set(shell.follow(anew).values()) == {0, 3}
    assert len([one for one in mock.contacts() if not one["archived"]]) == 9


@shows("to begin anew: ")
def test_a_plan_with_a_canary_that_was_undone(shell, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    (shell.folder / "c.csv").write_text("email\n" + "".join(f"c{n}@example.com\n" for n in range(9)))
    above = f'base_url = "{mock.url}"\ncanary = 2\ncanary_wait = 0\nsnapshot = true\n'
    step = '[[step]]\nname = "people"\nsource = "c.csv"\n'
    (shell.folder / "plan.toml").write_text(f"{above}{step}")
    assert shell.paste("uploader migrate plan.toml")[0] == 3
    assert run("undo", "-f", "plan.toml", "--yes", cwd=shell.folder).code == 0
    ended = run("migrate", "plan.toml", "--approve-canary", cwd=shell.folder)
    assert (ended.code, len(mock.contacts())) == (2, 2), ended
    assert ended.err.splitlines()[-1].endswith(
        "stopped: step people: the rows of the canary were sent, and undone since; "
        "to begin anew, use --restart"
    )
    _, text = shell.paste("uploader status -f plan.toml")
    anew = printed_commands(text)[-1]
    assert (shell.words(anew)[-1], shell.paste(anew)[0]) == ("--restart", 3)
    assert shell.paste("uploader migrate plan.toml --approve-canary")[0] == 0
    assert len([one for one in mock.contacts() if not one["archived"]]) == 9


@shows(
    "next: preview the changes (pipe the same rows into it): ",
    "next upload so that it can be undone, at twice the requests (pipe the same rows into it): ",
    "to continue (pipe the same rows into it): ",
)
def test_rows_from_standard_input(shell, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    (shell.folder / "rows").write_text("email\n" + "".join(f"c{n}@example.com\n" for n in range(9)))
    rows = shell.folder / "rows"
    codes = shell.follow(f"uploader check - --base-url {mock.url}", piped=rows)
    assert verbs_of(codes) >= {"check", "preview", "upload"}
    canary = f"uploader upload - --checkpoint c --canary 2 --canary-wait 0 --base-url {mock.url}"
    assert set(shell.follow(canary, piped=rows).values()) == {0, 3}


@shows("go on later with: ")
def test_a_guide_that_was_left_goes_on(shell, hubspot_mock):
    (shell.folder / "Ann's rows.csv").write_text("email,w\na@example.com,1\n")
    typed = f"uploader init \"Ann's rows.csv\" --guide -f 'a client.toml' --base-url {hubspot_mock().url}"

    def answering(answer):
        return lambda seen: answer if seen.endswith("> ") else None

    _, seen, left = dialogue(shell.folder, answering("q\n"), *shell.words(typed))
    shell.printed = seen.replace("\r", "")
    (again,) = printed_commands(shell.printed)
    _, _, ended = dialogue(shell.folder, answering("s\n"), *shell.words(again))
    assert ("is complete" in left, "is complete" in ended) == (False, True)


@shows("first review the new properties, then create them: ")
def test_a_guide_that_creates_no_properties_asks_the_other_questions(shell, hubspot_mock):
    """Also about words and values: they are why somebody is asked."""
    rows = "".join(f"a{number}@example.com,{number},n/a\n" for number in range(9))
    (shell.folder / "a.csv").write_text(f"email,Shoe Size,City\n{rows}")
    typed = f"uploader init a.csv --guide --base-url {hubspot_mock().url}"
    answers = {"Shoe Size": "c\n", "[y/N]": "n\n", '"n/a" may stand': "1\n"}

    def answering(seen):
        if not seen.endswith(("> ", "[y/N] ")):
            return None
        return next((answers.pop(said) for said in list(answers) if said in seen), "s\n")

    code, seen, out = dialogue(shell.folder, answering, *shell.words(typed))
    assert (code, answers) == (0, {}), seen
    assert "is complete, without 'Shoe Size', whose properties do not exist yet" in out
    assert "9 rows: 9 can be sent" in out
    shell.printed = seen.replace("\r", "")
    create, check = printed_commands(shell.printed)[-2:]
    assert shell.paste(create)[0] == 0
    assert shell.paste(check)[0] == 0


@shows("have it drafted: ", "next: correct this, then ")
def test_a_draft_takes_a_name_that_is_free(shell, hubspot_mock):
    (shell.folder / "Kündigungen 1.csv").write_text("email,w,x y,ü\na@example.com,1,2,3\n")
    (shell.folder / "Kündigungen 1.csv.toml").write_text("# mine")
    typed = f"uploader check 'Kündigungen 1.csv' --base-url {hubspot_mock().url}"
    codes = shell.follow(typed)
    assert f"{typed} --mapping 'Kündigungen 1.csv-2.toml'" in codes
    assert "next: review and complete the draft, then uploader check" in shell.printed


@shows("next: set HUBSPOT_ACCESS_TOKEN to the token, then ", "then upload: ")
def test_a_check_without_a_token(shell, hubspot_mock):
    (shell.folder / "a.csv").write_text("email\na@example.com\n")
    shell.token = ""
    _, text = shell.paste(f"uploader check a.csv --snapshot --base-url {hubspot_mock().url}")
    shell.token = TOKEN
    codes = shell.follow(*[one for one in printed_commands(text) if " check " in one])
    assert verbs_of(codes) >= {"check", "preview", "upload"}


@shows(
    "the order of their rows is not certain: ",
    "list keys that led to the same contact: ",
)
def test_two_addresses_of_one_contact(shell, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    mock.reset([{"properties": {"email": "a@example.com"}, "additional_emails": ["b@example.com"]}])
    (shell.folder / "a  b.csv").write_text("email,firstname\na@example.com,Ann\nb@example.com,Ann\n")
    codes = shell.follow(
        f"uploader upload 'a  b.csv' --base-url {mock.url}", "uploader report 'a  b.csv.checkpoint'"
    )
    assert "uploader status --aliases 'a  b.csv.checkpoint'" in codes


@shows("next: review it, then ", "correct them, then upload them: ")
def test_with_a_project_file_every_command_is_short(shell, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    mock.reset([{"properties": {"email": "b@example.com"}, "additional_emails": ["c@example.com"]}])
    (shell.folder / "client").mkdir()
    rows = "email,firstname\na@example.com,Jürgen\nnonsense,Zoë\nb@example.com,Bob\nc@example.com,Bob\n"
    (shell.folder / "client/a b.csv").write_bytes(rows.encode("windows-1252"))
    (shell.folder / "client/gone.txt").write_text("gone@example.com\n")
    codes = shell.follow(
        "uploader init 'client/a b.csv' -f 'client/ü 1.toml' --encoding windows-1252 "
        f"--suppress client/gone.txt --set lastname=Ng --base-url {mock.url}"
    )
    codes |= shell.follow("uploader report -f 'client/ü 1.toml' -o page.html")
    assert {line.removeprefix("uploader ") for line in [*codes][1:]} == {
        "check -f 'client/ü 1.toml'",
        "preview -f 'client/ü 1.toml'",
        "upload -f 'client/ü 1.toml'",
        *("help live-portal", "help links", "help plans"),
        "report -f 'client/ü 1.toml' -o page.html",
        "report -f 'client/ü 1.toml'",
        "failures -f 'client/ü 1.toml' -o 'client/a b.failures.csv'",
        "upload 'client/a b.failures.csv' -f 'client/ü 1.toml' --encoding utf-8",
        "status --aliases -f 'client/ü 1.toml'",
        "verify -f 'client/ü 1.toml'",
        "undo -f 'client/ü 1.toml' --dry-run",
    }
    codes = shell.follow("uploader undo -f 'client/ü 1.toml' --yes", "uploader status -f 'client/ü 1.toml'")
    assert "uploader undo -f 'client/ü 1.toml' --restart" in codes


@shows(
    "next: decide on its columns, then ",
    "to link records, such as contacts with companies: ",
    "to upload several files as one, such as companies, then contacts: ",
    "workflows, costs, notices (",
)
def test_a_project_file_with_columns_to_decide(shell, hubspot_mock):
    (shell.folder / "a.csv").write_text("email,w\na@example.com,1\n")
    codes = shell.follow(f"uploader init a.csv --base-url {hubspot_mock().url}")
    pages = [f"uploader help {page}" for page in ("links", "plans", "live-portal")]
    assert [*codes][1:] == ["uploader check -f a.toml", *pages]


@shows("correct them, then upload them: ")
def test_names_of_characters_that_do_not_print(shell, hubspot_mock):
    """A no-break space, an accent by itself, a line break, a byte that is no UTF-8, the end of a colour."""
    mock = hubspot_mock(quota="100000/10")
    name = "a\u00a0b e\u0301\n'c'\\ \udcfc\x1b[0m.csv"
    (shell.folder / name).write_text("email\nnonsense\na@example.com\n")
    shell.printed = run("upload", name, "--base-url", mock.url, cwd=shell.folder).err
    codes = shell.follow(*printed_commands(shell.printed))
    assert verbs_of(codes) == {"failures", "upload", "verify", "report"}


@shows("whose files this job did not record by name: ")
def test_options_whose_files_an_older_job_did_not_record(shell, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    (shell.folder / "a.csv").write_text("email,hubspot_owner_id\nnonsense,Old Ann\na@example.com,Old Ann\n")
    (shell.folder / "owners.csv").write_text("Old Ann,41629779\n")
    (shell.folder / "nobody").write_text("nobody@example.com\n")
    shell.paste(f"uploader upload a.csv --owner-map owners.csv --suppress nobody --base-url {mock.url}")
    with closing(sqlite3.connect(shell.folder / "a.csv.checkpoint")) as checkpoint, checkpoint:
        checkpoint.execute("DELETE FROM job WHERE name = 'files'")
    _, text = shell.paste("uploader failures a.csv.checkpoint -o b.csv")
    assert "then upload them, with --owner-map and --suppress added, whose files" in text
    (again,) = printed_commands(text)
    shell.paste(f"{again} --owner-map owners.csv --suppress nobody --base-url {mock.url}")


@shows(
    *PRINTED["cli.plans.overview:migrate_line"],
    "to continue: ",
    *PRINTED["cli.commands.migrate:_closing_lines"],
)
def test_a_plan_that_is_checked(shell, hubspot_mock):
    for name in ("people", "more"):
        (shell.folder / f"{name}.csv").write_text(f"email\n{name}@example.com\nnonsense\n")
    plan = shell.folder / "Ann's plan.toml"
    steps = [f'[[step]]\nname = "{name}"\nsource = "{name}.csv"\n' for name in ("people", "more")]
    above = f'base_url = "{hubspot_mock(quota="100000/10").url}"\nmax_failures = 2\nsnapshot = true\n'
    plan.write_text(above + "".join(steps))
    _, text = shell.paste('uploader check -f "Ann\'s plan.toml"')
    assert verbs_of(printed_commands(text)) == {"help", "migrate"}
    _, text = shell.paste('uploader preview -f "Ann\'s plan.toml"')
    (migrate,) = printed_commands(text)
    _, text = shell.paste('uploader status -f "Ann\'s plan.toml"')
    codes = shell.follow(migrate, *printed_commands(text))
    assert verbs_of(codes) == {"migrate", "failures", "upload", "verify", "report", "undo"}


@shows(*PRINTED["cli.commands.migrate:_last_lines"], *PRINTED["cli.commands.check:_say_next"])
def test_a_plan_with_a_problem(shell, hubspot_mock):
    """Not more of it: what `check` prints next is about the one step."""
    (shell.folder / "a.csv").write_text("email,Nobody's\na@example.com,x\n")
    plan = shell.folder / "Ann's plan.toml"
    step = '[[step]]\nname = "people"\nsource = "a.csv"\n'
    plan.write_text(f'base_url = "{hubspot_mock().url}"\n{step}')
    _, text = shell.paste('uploader migrate "Ann\'s plan.toml"')
    (check,) = printed_commands(text)
    assert shell.words(check)[-1] == "Ann's plan.toml#people"
    assert "PROBLEM: " in shell.paste(check)[1]
    _, text = shell.paste('uploader check -f "Ann\'s plan.toml"')
    again = printed_commands(text)[-1]
    assert shell.words(again) == ["check", "-f", "Ann's plan.toml"]
    shell.paste(again)


@shows(*PRINTED["cli.commands.init:_key_lines"])
def test_a_key_for_the_ids_of_another_system_is_drafted_and_created(shell, hubspot_mock):
    head = "Account ID,Account Name,Billing City,Billing State/Province,Parent Account ID\n"
    (shell.folder / "a.csv").write_text(f"{head}0015g00000AbCdEAAV,Acme,Ulm,BW,\n")
    _, text = shell.paste(f"uploader init a.csv --object-type companies --base-url {hubspot_mock().url}")
    leads = PRINTED["cli.commands.init:_key_lines"]
    draft, create = (one for lead, one in COMMAND.findall(text) if lead.endswith(leads))
    shell.paste(draft)
    assert shell.paste(f"{create} --yes")[0] == 0


@shows(*PRINTED["cli.commands.init:_refuse_other_types"])
def test_files_of_several_types(shell):
    (shell.folder / "a.csv").write_text("email,First Name\na@example.com,Jo\n")
    (shell.folder / "b.csv").write_text("Account ID,Account Name,Billing City\n1,Acme,Ulm\n")
    shell.printed = run("init", "a.csv", "b.csv", cwd=shell.folder).err
    shell.follow(*printed_commands(shell.printed))


@shows(*PRINTED["cli.options.connection:_note_readers"])
def test_a_token_file_that_others_can_read(shell, hubspot_mock):
    token = shell.folder / "my token"
    token.write_text(TOKEN)
    token.chmod(0o644)
    (shell.folder / "a.csv").write_text("email\na@example.com\n")
    _, text = shell.paste(f"uploader upload a.csv --token-file 'my token' --base-url {hubspot_mock().url}")
    (line,) = re.findall(r"holds a secret that other users can read; run: (.*)", text)
    subprocess.run(["/bin/bash", "-c", line], cwd=shell.folder, check=True)
    assert token.stat().st_mode & 0o777 == 0o600


@shows("the manual has no page 'nowhere'; ", " (`")
def test_pages_of_the_manual(shell):
    shell.printed = run("help", "nowhere", cwd=shell.folder).err
    shell.follow(*printed_commands(shell.printed))
    _, page = shell.paste("uploader help migration")
    for command in {one for one in printed_commands(page) if one.startswith("uploader help")}:
        shell.paste(command)


@shows(*PRINTED["cli.commands.demo:next_lines"], "$ ")
def test_what_the_demo_shows(shell, hubspot_mock, capsys):
    source = shell.folder / "contacts.csv"
    source.write_text("email\na@example.com\n")
    shell.paste(f"uploader upload contacts.csv --base-url {hubspot_mock().url}")
    show(["upload", str(source)])
    shell.printed = "\n".join([*next_lines(shell.folder, source), capsys.readouterr().out.strip()])
    status, server, upload, shown = printed_commands(shell.printed)
    assert shell.paste(status)[0] == shell.paste(upload)[0] == 0
    serving = start(*shell.words(server), cwd=shell.folder)
    assert "http://127.0.0.1:" in serving.stdout.readline()
    kill(serving)
    assert shell.words(shown) == ["upload", str(source)]
