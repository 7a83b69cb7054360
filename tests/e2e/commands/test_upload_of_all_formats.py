"""Files of every format through the real command: killed and resumed; patterns, pipes and URLs."""

import csv
import http.server
import subprocess
import threading
from functools import partial

import pytest

from support.processes import environment, holding, kill, run, start, start_python, wait_until
from support.soaked import some
from uploader.cli.commands.status import read_summary
from uploader.errors import CheckpointError

ROWS = [(f"c{number}@example.com", f"Ünal {number}") for number in range(3_000)]


def write_csv(path, rows=ROWS, encoding="utf-8"):
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([("email", "firstname"), *rows])


def write_parquet(path):
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    emails, names = zip(*ROWS, strict=True)
    pq.write_table(pa.table({"email": emails, "firstname": names}), path, row_group_size=700)


def write_xlsx(path):
    import openpyxl  # noqa: PLC0415

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("People")
    for row in (("email", "firstname"), *ROWS):
        sheet.append(row)
    book.save(path)


def write_json(path):
    import json  # noqa: PLC0415

    path.write_text(json.dumps([{"email": a, "firstname": b} for a, b in ROWS], indent=1))


FORMATS = {
    "json": write_json,
    "parquet": write_parquet,
    "xlsx": write_xlsx,
    "utf-16": partial(write_csv, encoding="utf-16"),
}


def settled(path):
    try:
        return read_summary(path).tallies.settled
    except CheckpointError:
        return 0


def held(mock):
    return {c["properties"]["email"]: c["properties"].get("firstname") for c in mock.contacts()}


@pytest.mark.parametrize("kind", some("parquet", soaked=["xlsx", "json", "utf-16"]))
def test_killed_and_resumed_every_format_ends_the_same(tmp_path, hubspot_mock, kind):
    FORMATS[kind](tmp_path / "contacts")
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.1, scenario=holding(15))
    command = (
        "upload",
        "contacts",
        "--base-url",
        mock.url,
        "--rate",
        "100/1",
        "--json",
        "--max-in-flight",
        "2",
    )
    process = start(*command, cwd=tmp_path)
    wait_until(lambda: settled(tmp_path / "contacts.checkpoint") > 700, process)
    kill(process)
    mock.change_scenario({})
    ended = run(*command, cwd=tmp_path)
    assert ended.code == 0, ended
    assert (ended.summary["rows"], ended.summary["created"] + ended.summary["updated"]) == (3_000, 3_000)
    assert held(mock) == dict(ROWS)
    assert mock.stats()["records_received"] < 2 * len(ROWS)


def test_a_pipe_is_given_again_and_another_one_is_refused(tmp_path, hubspot_mock):
    write_csv(tmp_path / "a.csv", [(address, name * 20) for address, name in ROWS])
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.1, scenario=holding(22))
    command = ("upload", "-", "--checkpoint", "job.checkpoint", "--base-url", mock.url, "--json")
    slow = (*command, "--max-in-flight", "2")
    with (tmp_path / "a.csv").open("rb") as stdin:
        process = start(*slow, cwd=tmp_path, stdin=stdin)
        wait_until(lambda: settled(tmp_path / "job.checkpoint") > 1_500, process)
        kill(process)
    mock.change_scenario({})
    data = (tmp_path / "a.csv").read_bytes()
    (tmp_path / "b.csv").write_bytes(data[:70_000] + b"X" + data[70_001:])
    with (tmp_path / "b.csv").open("rb") as stdin:
        code, text = _piped(command, tmp_path, stdin)
    assert code == 78
    assert "differ from those that the job has read" in text
    with (tmp_path / "a.csv").open("rb") as stdin:
        code, text = _piped(command, tmp_path, stdin)
    assert code == 0, text
    assert len(held(mock)) == len(ROWS)


def _piped(command, folder, stdin):
    process = start(*command, cwd=folder, stdin=stdin)
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


def test_a_pattern_keeps_to_the_files_it_began_with(tmp_path, hubspot_mock):
    (tmp_path / "in").mkdir()
    for name, part in (("b", ROWS[:1000]), ("a", ROWS[1000:2000])):
        write_csv(tmp_path / "in" / f"{name}.csv", part)
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.1, scenario=holding(12))
    command = ("upload", "in/*.csv", "--base-url", mock.url, "--json", "--max-in-flight", "1")
    process = start(*command, cwd=tmp_path)
    wait_until(lambda: settled(tmp_path / "in/_.csv.checkpoint") > 300, process)
    kill(process)
    mock.change_scenario({})
    write_csv(tmp_path / "in" / "0.csv", ROWS[2000:])
    ended = run(*command, cwd=tmp_path)
    assert ended.code == 0, ended
    assert "not part of this job, because they appeared after its start: in/0.csv" in ended.err
    assert ended.summary["rows"] == 2_000
    assert held(mock) == dict(ROWS[:2000])
    with (tmp_path / "in/_.csv.results.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["row"] == "2"
    nothing = run("upload", "in/*.txt", "--base-url", mock.url, cwd=tmp_path)
    assert (nothing.code, "no file matches" in nothing.err) == (2, True)
    folder = run("upload", "in", "--base-url", mock.url, cwd=tmp_path)
    assert "give its files, or a pattern such as 'in/*.csv'" in folder.err


class _Files(http.server.SimpleHTTPRequestHandler):
    """Files in parts, where asked; of a query it takes no notice."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.translate_path(self.path)
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                data = file.read()
        except OSError:
            self.send_error(404)
            return
        first, last = 0, len(data) - 1
        if asked := self.headers.get("Range"):
            low, _, high = asked.removeprefix("bytes=").partition("-")
            first, last = int(low), min(int(high or last), last)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[first : last + 1])

    do_HEAD = do_GET  # noqa: N815  # as the library calls it


@pytest.fixture
def files(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_url_is_read_and_its_secret_is_nowhere(tmp_path, hubspot_mock, files, kind):
    {"csv": write_csv, "parquet": write_parquet}[kind](tmp_path / "contacts")
    mock = hubspot_mock(quota="100000/10")
    command = ("upload", f"{files}/contacts?sig=S3CR3T", "--base-url", mock.url, "--json")
    ended = run(*command, cwd=tmp_path)
    assert ended.code == 0, ended
    assert held(mock) == dict(ROWS)
    missing = run("upload", f"{files}/none.csv?sig=S3CR3T", "--base-url", mock.url, cwd=tmp_path)
    assert missing.code == 2
    assert "none.csv: does not exist" in missing.err
    assert "S3CR3T" not in ended.err + ended.out + missing.err
    for path in tmp_path.iterdir():
        assert b"S3CR3T" not in path.read_bytes(), path


def test_nothing_is_imported_that_a_csv_upload_does_not_use(tmp_path):
    write_csv(tmp_path / "a.csv")
    code = (
        "import sys; from uploader.sources.open import open_source;"
        "list(open_source('a.csv').slices());"
        "print([m for m in ('pyarrow', 'openpyxl', 'fsspec', 'lzma', 'bz2') if m in sys.modules])"
    )
    import sys  # noqa: PLC0415

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "pyarrow" not in done.stdout
    assert "openpyxl" not in done.stdout
    assert "fsspec" not in done.stdout


#: What a plain upload has no use for: links, lists, project files, plans, and other commands.
UNUSED = {
    "uploader": (
        *(
            "associations",
            "lists",
            "cli.plans",
            "cli.project_reading",
            "cli.guide",
            "check",
            "plans",
            "preview",
        ),
        *("properties", "report", "undo", "verify", "jobs.scans.link_values", "storage.list_file"),
        *("hubspot.associations", "hubspot.lists"),
    ),
    "": ("rich", "pyarrow", "openpyxl", "fsspec", "jinja2"),
}


def test_a_plain_upload_imports_nothing_that_it_does_not_use(tmp_path, hubspot_mock):
    write_csv(tmp_path / "a.csv", ROWS[:10])
    env = environment(PYTHONPROFILEIMPORTTIME="1")
    command = ("upload", "a.csv", "--base-url", hubspot_mock().url)
    process = start_python(*command, cwd=tmp_path, env=env)
    _, text = process.communicate()
    assert process.returncode == 0, text
    imported = [line.rpartition("|")[2].strip() for line in text.splitlines() if "import time:" in line]
    assert "uploader.jobs.upload" in imported
    names = [f"{package}.{name}".lstrip(".") for package, names in UNUSED.items() for name in names]
    assert [one for one in imported if f"{one}.".startswith(tuple(f"{name}." for name in names))] == []


def test_rows_that_name_their_own_fields_come_through_a_pipe(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    (tmp_path / "a.ndjson").write_text("".join(f'{{"email":"c{i}@x.com"}}\n' for i in range(300)))
    command = ("upload", "-", "--checkpoint", "a.checkpoint", "--base-url", mock.url)
    with (tmp_path / "a.ndjson").open("rb") as stdin:
        code, text = _piped(command, tmp_path, stdin)
    assert code == 0, text
    assert len(mock.contacts()) == 300
