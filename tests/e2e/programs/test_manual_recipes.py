"""The recipes of the manual: each runs as it stands there, with the real package where that is installed.

`.ci/run` installs those of the extra `recipes`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import psycopg
import pytest

from support.databases.postgres_server import NOT_INSTALLED, fill_customers
from support.jobs import contacts, write_csv
from support.manual.programs import check_types, examples, run_example, sections
from uploader.cli.commands.status import read_summary

RECIPES = examples("recipes.md")
NAN = float("nan")
#: The second upsert finds the daily quota used up.
DAILY = {"kind": "status", "status": 429, "shape": "daily", "requests": [2, 2]}
#: Its packages warn of themselves, and it would report its use.
DLT = {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_PROJECT_DIR": ".", "DLT_DATA_DIR": "dlt"}


def needed(package):
    return pytest.importorskip(package, reason=f"{package} is not installed: it is in the extra `recipes`")


def customers(count):
    """Rows with what data frames make of blanks, and dates."""
    return [
        {
            "email": f"c{number}@example.com",
            "firstname": None if number == 3 else f"F{number}",
            "renewal_date": None if number == 4 else date(2027, 1, 1 + number % 28),
            "annualrevenue": None if number == 6 else 1_000 + number,
            "numemployees": NAN if number == 5 else float(number),
        }
        for number in reversed(range(count))
    ]


def held(hubspot):
    return {one["properties"].pop("email"): one["properties"] for one in hubspot.contacts()}


def expected(count):
    """What the account has of `customers`: no text for a blank, and none for the time of a day."""
    rows = {row.pop("email"): row for row in customers(count)}
    for row in rows.values():
        row["numemployees"] = None if row["numemployees"] != row["numemployees"] else int(row["numemployees"])
    return {
        email: {name: str(value) for name, value in row.items() if value is not None}
        for email, row in rows.items()
    }


def test_a_pandas_frame_is_uploaded_with_its_blanks(tmp_path, hubspot_mock):
    pandas = needed("pandas")
    hubspot = hubspot_mock()
    frame = pandas.DataFrame(customers(250))
    frame["renewal_date"] = pandas.to_datetime(frame["renewal_date"])
    frame["annualrevenue"] = frame["annualrevenue"].astype("Int64")
    frame.to_parquet(tmp_path / "customers.parquet")
    printed = run_example(RECIPES["A pandas frame"], tmp_path, hubspot.url)
    assert printed == "complete 250 rows, 0 failed\n"
    assert held(hubspot) == expected(250)


def test_a_polars_frame_is_uploaded_with_its_blanks(tmp_path, hubspot_mock):
    polars = needed("polars")
    hubspot = hubspot_mock()
    polars.DataFrame(customers(250)).write_parquet(tmp_path / "customers.parquet")
    printed = run_example(RECIPES["A polars frame"], tmp_path, hubspot.url)
    assert printed == "complete 250 rows, 0 failed\n"
    assert held(hubspot) == expected(250)


@pytest.fixture
def crm(postgres):
    """The connection string of a database with 5,000 customers."""
    fill_customers(postgres, 5_000)
    crm = f"host={postgres} user=tester dbname=crm_5000"
    with psycopg.connect(crm) as connection:
        connection.execute("UPDATE customers SET firstname = NULL WHERE id = 7")
        connection.execute("UPDATE customers SET firstname = 'Ann, \"A.\"' WHERE id = 8")
    return crm


@pytest.mark.soak
def test_rows_of_postgresql_come_through_a_cursor(tmp_path, hubspot_mock, crm):
    hubspot = hubspot_mock()
    printed = run_example(RECIPES["PostgreSQL in Python"], tmp_path, hubspot.url, CRM=crm)
    assert printed == "complete 5000 rows, 0 failed\n"
    records = held(hubspot)
    assert len(records) == 5_000
    assert records["c7@example.com"] == {"lifecyclestage": "customer"}
    assert records["c8@example.com"] == {"firstname": 'Ann, "A."', "lifecyclestage": "customer"}


@pytest.mark.soak
def test_rows_of_postgresql_come_through_a_pipe_that_broke_before(tmp_path, hubspot_mock, crm):
    """Without its last lines, what a pipe carries looks complete."""
    if not shutil.which("psql"):
        pytest.skip(NOT_INSTALLED)
    recipe = "\n".join(
        re.findall(r"^    (.*)$", sections("recipes.md")["PostgreSQL on the command line"], re.MULTILINE)
    )
    broken = "firstname || repeat('', 1 / (4900 - id) + (random() * 0)::int) AS firstname"
    programs = Path(sys.executable).parent
    variables = {
        "HUBSPOT_ACCESS_TOKEN": "test-token",
        "HUBSPOT_BASE_URL": (hubspot := hubspot_mock()).url,
        "CRM": crm,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    for columns, code in ((broken, 78), ("firstname", 0)):
        command = ["bash", "-c", recipe.replace("firstname", columns)]
        done = subprocess.run(
            command, cwd=tmp_path, env=variables, check=False, capture_output=True, text=True
        )
        assert done.returncode == code, done.stderr
        assert ("division by zero" in done.stderr) == (code == 78)
    records = held(hubspot)
    assert len(records) == 5_000
    assert "firstname" not in records["c7@example.com"]
    assert records["c8@example.com"]["firstname"] == 'Ann, "A."'


def test_a_dlt_pipeline_goes_on_after_a_stop(tmp_path, hubspot_mock):
    needed("dlt")
    hubspot = hubspot_mock(scenario={"faults": [DAILY]})
    run_example(RECIPES["A dlt destination"], tmp_path, hubspot.url, is_strict=False, **DLT)
    assert len(held(hubspot)) == 250
    checkpoint, *others = tmp_path.glob("contacts.*.checkpoint")
    assert others == []
    summary = read_summary(checkpoint)
    assert (summary.rows, summary.tallies.throttled) == (250, 1)
    results = checkpoint.with_suffix(".results.csv").read_text(encoding="utf-8")
    assert len(results.splitlines()) == 251


#: What serves the webhook, and calls it. Connections wait in the socket's queue until it has started.
WEBHOOK_CALLS = """
import json, socket, threading, urllib.error, urllib.request, uvicorn
from concurrent.futures import ThreadPoolExecutor

def post(lead):
    request = urllib.request.Request(url, json.dumps(lead).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.status, json.load(error)

with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(10) as threads:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/leads"
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    serving.start()
    try:
        print(json.dumps(list(threads.map(post, json.loads(LEADS)))))
    finally:
        server.should_exit = True
        serving.join()
"""


def call_webhook(folder, url, leads, wait_seconds=30):
    """The status and the JSON of the answer to each, all sent at the same time."""
    program = RECIPES["A FastAPI webhook"].replace("timeout(30)", f"timeout({wait_seconds})")
    calls = f"LEADS = {json.dumps(leads)!r}\n{WEBHOOK_CALLS}"
    return json.loads(run_example(f"{program}\n{calls}", folder, url))


def test_a_webhook_answers_with_the_outcome_of_its_row(tmp_path, hubspot_mock):
    needed("fastapi")
    needed("uvicorn")
    hubspot = hubspot_mock()
    leads = [*({"email": f"lead-{number}@example.com"} for number in range(8)), {"email": "nobody"}, {}]
    *created, invalid, no_lead = call_webhook(tmp_path, hubspot.url, leads)
    assert created == [[200, {"outcome": "created"}]] * 8
    assert invalid == [422, {"detail": "'nobody' is not an e-mail address"}]
    assert (no_lead[0], no_lead[1]["detail"][0]["loc"]) == (422, ["body", "email"])
    assert held(hubspot).keys() == {f"lead-{number}@example.com" for number in range(8)}


def test_a_webhook_lets_the_sender_try_again_after_a_stop(tmp_path, hubspot_mock):
    needed("fastapi")
    needed("uvicorn")
    hubspot = hubspot_mock(scenario={"faults": [{"kind": "status", "status": 401}]})
    answers = call_webhook(tmp_path, hubspot.url, [{"email": "a@example.com"}], wait_seconds=3)
    assert [status for status, _ in answers] == [503]


class AirflowException(Exception):  # noqa: N818  # Airflow's name
    """Airflow runs the task again, as often as `retries` says."""


class AirflowFailException(AirflowException):
    """Airflow does not run the task again."""


@pytest.fixture(params=["recipes.md", "operations.md"])
def airflow_task(request, tmp_path, monkeypatch):
    """Runs the task of a page, with a stand-in for Airflow: a task is its function, called at once."""
    sdk, exceptions = ModuleType("airflow.sdk"), ModuleType("airflow.sdk.exceptions")
    sdk.dag = sdk.task = lambda **_: lambda function: function
    exceptions.AirflowException, exceptions.AirflowFailException = AirflowException, AirflowFailException
    monkeypatch.setitem(sys.modules, "airflow.sdk", sdk)
    monkeypatch.setitem(sys.modules, "airflow.sdk.exceptions", exceptions)
    program = {
        "recipes.md": RECIPES["An Airflow task"],
        "operations.md": examples("operations.md")["Airflow"] + "\nupload_contacts()\n",
    }[request.param]
    for name in ("/exports", "/state", "/secrets"):
        program = program.replace(f'"{name}', f'"{tmp_path}')
    (tmp_path / "token").write_text("test-token", encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "test-token")

    def run(hubspot, rows):
        if rows:
            write_csv(tmp_path / "contacts.csv", rows)
        monkeypatch.setenv("HUBSPOT_BASE_URL", hubspot.url)
        exec(program.replace("contacts-{{ ds }}", "contacts"), {"__name__": "recipe"})

    return run


def test_an_airflow_task_ends_well(hubspot_mock, airflow_task):
    hubspot = hubspot_mock()
    airflow_task(hubspot, contacts(150))
    assert len(held(hubspot)) == 150


def test_a_stopped_airflow_task_is_tried_again_and_continues(hubspot_mock, airflow_task):
    hubspot = hubspot_mock(scenario={"faults": [DAILY]})
    with pytest.raises(AirflowException) as error:
        airflow_task(hubspot, contacts(150))
    assert error.type is AirflowException
    airflow_task(hubspot, contacts(150))
    assert len(held(hubspot)) == 150
    assert hubspot.stats()["records_received"] <= 250


@pytest.mark.parametrize("rows", [[{"email": "nobody"}], []], ids=["a failed row", "no file"])
def test_an_airflow_task_that_needs_a_person_is_not_tried_again(hubspot_mock, airflow_task, rows):
    with pytest.raises(AirflowFailException):
        airflow_task(hubspot_mock(), rows)


@pytest.mark.soak
def test_the_recipes_are_typed(tmp_path):
    """Those whose packages are installed: what is not there has no types."""
    programs = [*RECIPES.values(), examples("operations.md")["Airflow"]]
    check_types([program for program in programs if is_runnable(program)], tmp_path)


def is_runnable(program):
    return all(map(find_spec, re.findall(r"^(?:import|from) (\w+)", program, re.MULTILINE)))
