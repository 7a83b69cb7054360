"""The migrations that the manual shows, typed as they stand there: what is printed, and what is held."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.migrations.made_up_exports import EXPORTS
from support.migrations.pages import Command, steps_of
from support.migrations.three_exports import exports
from support.processes import environment, run
from support.soaked import some

#: By the system: the heading, the file, and rows in the usual run; None: as many as on the page.
MIGRATIONS = {
    "salesforce": ("A report of Salesforce", "contacts.csv", 500),
    "pipedrive": ("People of Pipedrive", "people.csv", None),
    "mailchimp": ("An audience of Mailchimp", "audience.csv", None),
    "dynamics": ("Contacts of Dynamics 365", "contacts.xlsx", None),
}
_END = "<<<ended"


@pytest.fixture
def account(hubspot_mock):
    # The tests are about values, not about the quota.
    return hubspot_mock(quota="10000/10", latency_seconds=0.01)


def typed(command, folder, env):
    """The same of a command that is typed into a shell, where `uploader` is a program on the path."""
    programs = str(Path(sys.executable).parent)
    ended = subprocess.run(
        ["/bin/bash", "-c", command.line],
        cwd=folder,
        env={**env, "PATH": f"{programs}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def forked(command, folder, env):
    """The same without the time that a shell and an interpreter take."""
    ended = run(*command.words[1:], cwd=folder, env=env)
    return ended.code, ended.out, ended.err


def migrate(system, account, folder, rows, execute):
    """Follow the page. `rows`: None, or another number than on the page, so that no number is compared."""
    heading, name, _ = MIGRATIONS[system]
    export = EXPORTS[system](rows) if rows else EXPORTS[system]()
    export.write(folder / name)
    account.reset([{"properties": dict(one)} for one in export.contacts])
    codes = follow(heading, account, folder, execute, masks_numbers=bool(rows))
    judge(export, account, folder / f"{name}.optouts.csv", codes)


def follow(heading, account, folder, execute, *, masks_numbers):
    """Type what the page shows, compare what is printed, and return the exit codes by command."""
    env, codes = environment(HUBSPOT_BASE_URL=account.url), {}
    for step in steps_of("migration", heading):
        if not isinstance(step, Command):
            step.apply(folder, masks_numbers=masks_numbers)
            continue
        code, out, err = execute(step, folder, env)
        port = f":{account.url.rpartition(':')[2]}"
        missing = step.missing(
            out.replace(port, ":8080"), err.replace(port, ":8080"), masks_numbers=masks_numbers
        )
        assert missing == [], (step.line, out, err)
        codes[step.line] = code
    return codes


def judge(export, account, opt_outs, codes):
    """What the account holds is what follows from the people."""
    expected, held = export.expected(), [one["properties"] for one in account.contacts()]
    names = {name for one in expected for name in one}

    def key(one):
        return one.get("email") or one[export.own_id]

    actual, wanted = {key(one): one for one in held}, {key(one): one for one in expected}
    assert actual.keys() == wanted.keys()
    wrong = {
        (who, name): (actual[who].get(name), one.get(name))
        for who, one in wanted.items()
        for name in names
        if (actual[who].get(name) or "") != one.get(name, "")
    }
    assert wrong == {}
    assert len(held) == len(expected)

    with opt_outs.open(newline="") as file:
        header, *listed = csv.reader(file)
    assert header == ["Email"]
    assert sorted(address for (address,) in listed) == sorted(export.opted_out())

    [verified] = [code for line, code in codes.items() if line.startswith("uploader verify")]
    assert verified == 0


@pytest.mark.parametrize("system", some("salesforce", "dynamics", soaked=["pipedrive", "mailchimp"]))
def test_a_migration_of_the_manual_ends_with_what_its_file_says(system, account, tmp_path):
    migrate(system, account, tmp_path, MIGRATIONS[system][2], forked)


@pytest.mark.soak
@pytest.mark.parametrize("system", MIGRATIONS)
def test_a_migration_of_the_manual_prints_what_the_manual_shows(system, account, tmp_path):
    migrate(system, account, tmp_path, None, typed)


@pytest.mark.parametrize("system", MIGRATIONS)
def test_a_migration_takes_eight_commands_and_one_edited_file_at_most(system):
    steps = steps_of("migration", MIGRATIONS[system][0])
    commands = [step for step in steps if isinstance(step, Command)]
    assert len(commands) <= 8
    assert len({step.name for step in steps if not isinstance(step, Command)}) == 1


#: The migration of several objects.
_PLAN = "Accounts, contacts and opportunities of Salesforce"


@pytest.mark.soak
@pytest.mark.parametrize(
    ("accounts", "execute"), [(25, forked), pytest.param(None, typed, marks=pytest.mark.soak)]
)
def test_the_migration_of_three_objects_ends_with_their_records_and_links(
    account, tmp_path, accounts, execute
):
    made = exports(accounts) if accounts else exports()
    made.write(tmp_path)
    codes = follow(_PLAN, account, tmp_path, execute, masks_numbers=bool(accounts))
    # 1: a damaged address, and links that lead to nothing.
    assert [(line.split()[1], code) for line, code in codes.items()] == [
        *(("check", 2), ("create-properties", 0), ("create-properties", 0), ("check", 1)),
        *(("migrate", 75), ("migrate", 1), ("verify", 0), ("report", 0), ("undo", 0)),
    ]
    assert {name: _held(account, name, wanted) for name, wanted in made.records().items()} == made.records()
    assert _links(account) == made.links()
    outcomes = _outcomes(tmp_path / "contacts.csv") + _outcomes(tmp_path / "opportunities.csv")
    assert outcomes.count("missing") == made.missing() > 0
    assert outcomes.count("linked") == len(made.links()) == len(outcomes) - made.missing()


def _outcomes(source):
    """The outcomes of the links of a file."""
    with source.with_name(f"{source.name}.links.csv").open(encoding="utf-8", newline="") as file:
        return [one["outcome"] for one in csv.DictReader(file)]


def _keys(account):
    """By type and id, the old id or the address of each record that is not archived."""
    return {
        (name, one["id"]): one["properties"]["email" if name == "contacts" else "salesforce_id"]
        for name in ("companies", "contacts", "deals")
        for one in account.objects(name)
        if not one["archived"]
    }


def _held(account, name, wanted):
    """By key, what the account holds of a type of objects: the properties that are wanted."""
    names, keys = next(iter(wanted.values())), _keys(account)
    return {
        keys[name, one["id"]]: {each: one["properties"].get(each, "") for each in names}
        for one in account.objects(name)
        if not one["archived"]
    }


def _links(account):
    """By the keys of both records, contacts first and companies last: labels."""
    keys, order = _keys(account), ("contacts", "deals", "companies")
    found = {}
    for one in account.links():
        ends = sorted((one["from"], one["to"]), key=lambda end: order.index(end["type"]))
        found[tuple(keys[end["type"], end["id"]] for end in ends)] = frozenset(one["labels"])
    return found


def test_the_migration_of_three_objects_takes_nine_commands_and_one_file():
    steps = steps_of("migration", _PLAN)
    assert len([step for step in steps if isinstance(step, Command)]) == 9
    assert [step.name for step in steps if not isinstance(step, Command)] == ["plan.toml"]
