"""`uploader preview` in a real process: its exit codes, its JSON, what it leaves behind, and Ctrl-C."""

import json
import re
import signal

import pytest

from support.processes import end, environment, run, start, wait_until
from support.soaked import some

PEOPLE = [
    {"properties": {"email": f"c{n}@example.com", "firstname": "Old", "lifecyclestage": "customer"}}
    for n in range(0, 300, 2)
]
ROWS = [f"c{n}@example.com,F{n},lead," for n in range(300)]


@pytest.fixture
def place(tmp_path, hubspot_mock):
    """A folder with a file, another for temporary files, and an account that holds half of its contacts."""
    return Place(tmp_path, hubspot_mock())


class Place:
    def __init__(self, folder, mock) -> None:
        self.folder, self.mock = folder / "job", mock
        self.temporary = folder / "temporary"
        self.folder.mkdir()
        self.temporary.mkdir()
        self.reset(PEOPLE)
        self.write(ROWS)

    def reset(self, people) -> None:
        self.mock.reset(people)
        self.before = self.mock.contacts()

    def write(self, rows) -> None:
        lines = ["email,firstname,lifecyclestage,renewal_date", *rows]
        (self.folder / "contacts.csv").write_text("\n".join(lines) + "\n")

    def words(self, *more) -> tuple:
        return ("preview", "contacts.csv", "--base-url", self.mock.url, *more)

    @property
    def environment(self) -> dict[str, str]:
        return environment(TMPDIR=str(self.temporary))

    def run(self, *more):
        ended = run(*self.words(*more), cwd=self.folder, env=self.environment)
        self.check_untouched()
        return ended

    def check_untouched(self) -> None:
        assert [path.name for path in self.folder.iterdir()] == ["contacts.csv"]
        assert list(self.temporary.iterdir()) == []
        assert self.mock.contacts() == self.before
        assert self.mock.stats()["upserts"] == 0


def test_its_figures_are_those_of_the_upload_it_says_to_type_next(place):
    ended = place.run("--fill", "firstname", "--skip-unchanged", "--json")
    report = json.loads(ended.out)
    assert (ended.code, report["exit_code"], report["partial"]) == (0, 0, False), ended
    assert (report["created"], report["unchanged"], report["requests"]) == (150, 0, 6)
    assert report["properties"]["firstname"] == {
        **dict.fromkeys(
            ("set", "overwritten", "cleared", "unchanged", "spared", "kept", "rewritten", "refused"), 0
        ),
        "set": 150,
        "spared": 150,
    }
    assert report["properties"]["lifecyclestage"]["kept"] == 150
    assert report["examples"]["spared"][0] == {
        "source": "contacts.csv",
        "row": 2,
        "property": "firstname",
        "before": "Old",
        "asked": "F0",
        "after": "Old",
    }
    command = ended.err.splitlines()[-1].partition(": uploader ")[2].split()
    assert command[-1] == "--snapshot"
    summary = run(*command, "--json", cwd=place.folder, env=place.environment).summary
    for outcome in ("created", "updated", "unchanged", "skipped", "invalid", "rejected"):
        assert summary[outcome] == report[outcome]
    assert summary["values_spared"] == 150


def test_rows_that_would_fail_make_it_1_and_are_shown(place):
    """The column of keys says why it has so few values."""
    place.write([*ROWS, "nobody,A,,", "x@example.com,\x1b[31mRed,,", "y@example.com,A,,2025-02-30"])
    ended = place.run()
    assert ended.code == 1, ended
    assert "row 302: 'nobody' is not an e-mail address" in ended.out
    assert "row 304: renewal_date: '2025-02-30'" in ended.out
    assert "row 2: firstname: Old -> F0" in ended.out
    assert "of email, the key that a row is matched by is not counted unless it is refused" in ended.out
    assert "\x1b" not in ended.out
    assert "workflows" in ended.out


def test_the_first_rows_are_tables_and_nothing_is_called_written(place):
    place.write(["c0@example.com,F0,lead,", "new@example.com,N,,", "nobody,A,,2025-02-30"])
    ended = place.run("--rows", 3)
    first, second, third = ended.out.partition("\nrow 2")[2].split("\nrow ")
    assert first.splitlines()[0].startswith(": c0@example.com: would update record ")
    assert [line.split() for line in first.splitlines()[1:]][:5] == [
        *(["column", "cell", "sent", "HubSpot", "now"], ["-" * 14, "-" * 14, "-" * 14, "-" * 14]),
        ["email", *["c0@example.com"] * 3],
        *(["firstname", "F0", "F0", "Old"], ["lifecyclestage", "lead", "lead", "customer"]),
    ]
    assert "  and 1 blank cell, not sent" in first
    assert "new@example.com: would create a record" in second
    assert "invalid" in third
    assert "nothing: renewal_date: '2025-02-30'" in third.replace("\n", " ")
    shown = ended.out + ended.err
    assert "would create             1" in shown
    assert not re.search(r"(?<!would )\b(created|updated)\b", shown)
    assert "--rows" not in ended.err.splitlines()[-1]


def test_examples_and_a_sample_are_as_many_as_asked_for(place):
    report = json.loads(place.run("--sample", 120, "--examples", 2, "--json").out)
    assert (report["rows"], report["sample"]) == (120, 120)
    assert len(report["examples"]["overwritten"]) == 2
    assert "only" in place.run("--sample", 120, "--examples", 0).out.splitlines()[0]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (("--map", "firstname=nonsense"), "nonsense"),
        (("--fill", "nickname"), "nickname"),
        (("--id-property", "firstname"), "not a unique property"),
    ],
)
def test_a_problem_that_upload_would_not_start_with_is_exit_2(place, more, problem):
    ended = place.run(*more)
    assert (ended.code, problem in ended.err) == (2, True), ended


@pytest.mark.parametrize("number", some(signal.SIGINT, soaked=[signal.SIGTERM]))
def test_interrupted_it_tells_what_it_has_found_and_leaves_nothing(place, number):
    place.write([f"c{n}@example.com,F{n},lead," for n in range(20_000)])
    place.mock.change_quota("40/10")
    process = start(*place.words("--json"), cwd=place.folder, env=place.environment)
    seen = place.mock.stats()["requests"]
    wait_until(lambda: place.mock.stats()["requests"] > seen + 12, process)
    process.send_signal(number)
    ended = end(process)
    place.check_untouched()
    report = json.loads(ended.out)
    assert (ended.code, report["partial"]) == (128 + number, True), ended
    looked_at = report["created"] + report["updated"]
    assert 0 < looked_at < 20_000
    assert report["rows"] == looked_at + report["open"]
    assert sum(report["properties"]["firstname"].values()) == looked_at
    assert "nothing was written; stopped" in ended.err


def test_standard_input_can_be_looked_at(place):
    with (place.folder / "contacts.csv").open() as file:
        process = start(
            *("preview", "-", "--json", "--base-url", place.mock.url),
            cwd=place.folder,
            env=place.environment,
            stdin=file,
        )
        ended = end(process)
    assert (ended.code, json.loads(ended.out)["updated"]) == (0, 150), ended
    place.check_untouched()


def test_a_pattern_means_the_files_there_are_and_a_job_that_was_begun_is_left_as_it_is(place):
    """As with upload --restart. To ask the checkpoint for the job's files would leave files beside it."""
    (place.folder / "contacts.csv").rename(place.folder / "part1.csv")
    job = ("part*", "--base-url", place.mock.url, "--checkpoint", "all.checkpoint")
    before = json.loads(run("preview", *job, "--json", cwd=place.folder, env=place.environment).out)
    assert run("upload", *job, cwd=place.folder).code == 0
    (place.folder / "part2.csv").write_text("email\nanother@example.com\n")
    files = {path.name: path.read_bytes() for path in place.folder.iterdir()}
    after = json.loads(run("preview", *job, "--json", cwd=place.folder, env=place.environment).out)
    assert {path.name: path.read_bytes() for path in place.folder.iterdir()} == files
    assert (before["rows"], after["rows"], after["updated"]) == (300, 301, 300)
    assert list(place.temporary.iterdir()) == []


def test_a_job_that_has_begun_keeps_its_files_as_they_are(place):
    run("upload", "contacts.csv", "--base-url", place.mock.url, cwd=place.folder)
    files = {path.name: path.read_bytes() for path in place.folder.iterdir()}
    ended = run(*place.words("--json"), cwd=place.folder, env=place.environment)
    assert {path.name: path.read_bytes() for path in place.folder.iterdir()} == files
    assert json.loads(ended.out)["updated"] == 300
    assert "contacts.csv.checkpoint exists" in ended.err
