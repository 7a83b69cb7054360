"""`init --guide` on a terminal: left, resumed, and followed by an upload with the file that it wrote."""

import csv
import re
import signal
import tomllib

from support.processes import dialogue, run

PROMPT = re.compile(r"(?:^|\n)> $|\[y/N\] $")
HEADER = (
    "Email,First Name,Title,Shoe Size,Lifecycle Stage,Mailing City,Contact Owner,Email Opt Out,external_id,"
    "Badge ID,Birthdate,Last Modified Date"
)


def write_contacts(path):
    with path.open("w", newline="") as file:
        lines = csv.writer(file, quoting=csv.QUOTE_ALL)
        lines.writerow(HEADER.split(","))
        for at in range(60):
            email = "none@none.com" if at % 10 == 9 else f"p{at}@example.com"
            stage = ("lead", "Leads", "Prospect")[at % 3]
            city = ("Berlin", "n/a")[at % 2]
            owner = ("Ann Lee", "Jon Doe")[at % 2]
            told, ids = "1" if at == 3 else "0", (f"x{at}", f"b{at}", "10/14/2002", "1/2/2025")
            lines.writerow((email, f"A{at}", "CTO", at % 40, stage, city, owner, told, *ids))


def answering(answers, asked):
    """Answers by what a question says; any other one is passed."""

    def reply(seen):
        if not PROMPT.search(seen.replace("\r", "")):
            return None
        found = next((words for words in answers if words in seen), "")
        asked.append(found or seen)
        return answers.pop(found, "s\n")

    return reply


def test_a_messy_export_is_decided_in_two_sittings_and_uploaded(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    write_contacts(tmp_path / "a.csv")
    command = ("init", "a.csv", "--guide", "--base-url", mock.url)
    asked = []
    answers = {'Column "Title"': "jobt\n", "1  jobtitle  Job": "\n", 'Column "Shoe Size"': signal.SIGINT}
    code, seen, out = dialogue(tmp_path, answering(answers, asked), *command)
    assert code == 130, seen
    assert "go on later with: uploader init a.csv --guide" in seen
    assert out.startswith("wrote a.toml: 12 columns, ")
    file = tmp_path / "a.toml"
    first = file.read_text()
    assert '\n# match = ["email", "external_id"]  #' in first
    assert '\n"Title" = "jobtitle"\n' in first
    file.write_text(f"# my own words\n{first}")

    asked.clear()
    answers = {
        'Column "Shoe Size"': "c\n",
        'Column "Badge ID"': "c\n",
        'Column "Email Opt Out"': "2\n",
        "create 2 properties": "y\n",
        '"none@none.com" is the email': "1\n",
        '"n/a" may stand': "\n",
        '"Leads", ': "\n",
        '"Prospect", ': "e\n",
        'Owner "Jon Doe"': "ann\n",
        "1  ann.lee@example.com": "\n",
        "6 rows without email": "\n",
    }
    code, seen, out = dialogue(tmp_path, answering(dict(answers), asked), *command)
    assert (code, asked) == (0, list(answers)), seen
    _, left_out, birth, rows = out.partition("a.toml is complete")[2].splitlines()
    assert left_out == "left out: Last Modified Date"  # what nobody was asked about
    assert birth.startswith("Birthdate: these are dates, and the property is a text")
    assert rows == "60 rows: 59 can be sent, 1 skipped (suppressed)"
    text = file.read_text()
    assert text.startswith("# my own words\n#:schema")
    assert [line for line in first.splitlines() if line.startswith("# What") and line not in text] == []
    assert text.count("match = ") == 1
    assert tomllib.loads(text)["columns"]["Shoe Size"] == "shoe_size"
    assert (tmp_path / "a.properties.toml.44237313.created.json").exists()

    definitions = tomllib.loads((tmp_path / "a.properties.toml").read_text())["property"]
    assert {one["name"] for one in definitions if one.get("unique")} == {"badge_id"}
    check = run("check", "-f", "a.toml", cwd=tmp_path)
    assert check.code == 0, check.out
    assert "UNDECIDED" not in check.out
    assert "PROBLEM" not in check.out
    upload = run("upload", "-f", "a.toml", cwd=tmp_path)
    assert upload.code == 0, upload.out + upload.err
    contacts = {one["properties"]["external_id"]: one["properties"] for one in mock.contacts()}
    assert len(contacts) == 60 - 1
    one, two = contacts["x1"], contacts["x2"]
    assert (one["lifecyclestage"], one.get("city"), one["shoe_size"]) == ("lead", None, "1")
    assert (two.get("lifecyclestage"), two["city"]) == (None, "Berlin")
    assert one["hubspot_owner_id"] == two["hubspot_owner_id"]


def test_it_is_refused_where_it_would_not_do_what_the_command_says(tmp_path, hubspot_mock):
    (tmp_path / "a.csv").write_text("email\na@example.com\n")
    (tmp_path / "b.csv").write_text("email\na@example.com\n")
    piped = run("init", "a.csv", "--guide", cwd=tmp_path)
    assert (piped.code, piped.err) == (
        2,
        "uploader: --guide asks questions, and this is no terminal; leave it out and edit the file\n",
    )
    assert not (tmp_path / "a.toml").exists()
    url = hubspot_mock().url
    assert run("init", "a.csv", "--base-url", url, cwd=tmp_path).code == 0
    text = (tmp_path / "a.toml").read_text()
    nothing = answering({}, [])
    for words, why in (
        (("b.csv", "-f", "a.toml"), "a.toml is about other sources: a.csv; name another file with -f"),
        (
            ("a.csv", "--encoding", "cp1252"),
            "a.toml exists and does not say --encoding cp1252; write it there",
        ),
    ):
        code, seen, _ = dialogue(tmp_path, nothing, "init", *words, "--guide")
        assert (code, seen.replace("\r\n", "")) == (2, f"uploader: {why}")
    assert (tmp_path / "a.toml").read_text() == text


def test_opt_outs_of_rows_that_name_their_fields_are_asked_about(tmp_path, hubspot_mock):
    (tmp_path / "a.ndjson").write_text('{"email": "a@example.com", "Opted out": "yes"}\n')
    asked = []
    reply = answering({'Column "Opted out"': "\n"}, asked)
    code, seen, _ = dialogue(tmp_path, reply, "init", "a.ndjson", "--guide", "--base-url", hubspot_mock().url)
    assert (code, asked) == (0, ['Column "Opted out"']), seen
    assert '\nopt_outs = "list"' in (tmp_path / "a.toml").read_text()
