"""`uploader verify` as a user runs it: in real processes, killed on the way, over real sockets."""

import csv
import stat

from support.processes import holding, kill, run, start, wait_until


def write(path, count) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("email", "city"))
        lines.writerows((f"c{number}@example.com", "Ulm") for number in range(count))


def test_differences_are_found_after_a_kill_and_listed_in_a_file(tmp_path, hubspot_mock):
    write(tmp_path / "contacts.csv", 4_000)
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.1)
    fast = ("--base-url", mock.url, "--rate", "1000/1")
    assert run("upload", "contacts.csv", *fast, cwd=tmp_path).code == 0
    mock.change_records(
        update=[
            *({"email": f"c{i}@example.com", "properties": {"city": "Bonn"}} for i in range(37)),
            *(
                {"email": f"c{i}@example.com", "properties": {"email": f"C{i}@EXAMPLE.com"}}
                for i in (50, 51, 52)
            ),
        ],
        archive=[f"c{i}@example.com" for i in range(3_990, 3_995)],
    )
    verify = ("verify", "contacts.csv.checkpoint", *fast, "--max-in-flight", "1", "--json")
    before = mock.stats()["requests"]
    process = start(*verify, cwd=tmp_path)
    wait_until(lambda: mock.stats()["requests"] > before + 10, process)
    kill(process)
    ended = run(*verify, cwd=tmp_path)
    assert ended.code == 1, ended
    report = ended.summary
    assert {name: report[name] for name in ("contacts", "equal", "differs", "missing", "adjusted")} == {
        "contacts": 4_000,
        "equal": 3_955,
        "differs": 37,
        "missing": 5,
        "adjusted": 3,
    }
    assert report["requests"] < 40  # those before the kill are not asked for again
    listed = tmp_path / "contacts.csv.differences.csv"
    assert stat.S_IMODE(listed.stat().st_mode) == 0o600
    with listed.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    verdicts = [line["verdict"] for line in lines]
    assert verdicts == ["differs"] * 37 + ["hubspot"] * 3 + ["missing"] * 5
    assert (lines[0]["row"], lines[0]["property"], lines[0]["wanted"], lines[0]["found"]) == (
        "2",
        "city",
        "Ulm",
        "Bonn",
    )
    assert "c0@example.com" not in ended.err


def test_a_list_of_nothing_is_left_only_where_it_has_a_name(tmp_path, hubspot_mock):
    write(tmp_path / "contacts.csv", 30)
    with (tmp_path / "contacts.csv").open("a") as file:
        file.write("c7@example.com,Ulm\nnobody,Ulm\n")
    mock = hubspot_mock()
    fast = ("--base-url", mock.url)
    assert run("upload", "contacts.csv", *fast, cwd=tmp_path).code == 1
    former = tmp_path / "contacts.csv.differences.csv"
    former.write_text("verdict,row,source,key,hubspot_id,property,wanted,found,note\ndiffers,2\n")
    ended = run("verify", "contacts.csv.checkpoint", *fast, cwd=tmp_path)
    assert (ended.code, former.exists()) == (0, False), ended
    message = (
        "31 of 32 rows were written, 1 of them with a key of an earlier row; 1 were not (rejected, invalid"
    )
    assert message in ended.out
    mock.change_records(update=[{"email": "c3@example.com", "properties": {"city": "Bonn"}}])
    again = run("verify", "contacts.csv.checkpoint", *fast, "--json", cwd=tmp_path)
    assert (again.code, again.summary["differs"], former.exists()) == (1, 1, True), "it has to be read anew"
    mock.change_records(update=[{"email": "c3@example.com", "properties": {"city": "Ulm"}}])
    assert not (tmp_path / "contacts.csv.checkpoint.verify").exists()
    ended = run("verify", "contacts.csv.checkpoint", *fast, "-o", "none.csv", "--json", cwd=tmp_path)
    assert (ended.summary["rows"], ended.summary["rows_written"]) == (32, 31)
    assert (tmp_path / "none.csv").read_text().splitlines() == [
        "verdict,row,source,key,hubspot_id,property,wanted,found,note,to_id,value"
    ]


def test_links_that_others_changed_are_counted_and_listed(tmp_path, hubspot_mock):
    lines = ["email,account", *(f"c{i}@example.com,co{i % 3}" for i in range(30))]
    (tmp_path / "contacts.csv").write_text("\n".join(lines))
    unique = {"name": "sf_id", "unique": True, "object_type": "companies"}
    mock = hubspot_mock(scenario={"properties": [unique]})
    mock.reset([], {"companies": [{"properties": {"sf_id": f"co{i}"}} for i in range(4)]})
    at = ("--base-url", mock.url)
    link = ("--associate", "account=companies.sf_id:Primary")
    assert run("upload", "contacts.csv", *at, *link, "--yes", cwd=tmp_path).code == 0
    verify = ("verify", "contacts.csv.checkpoint", *at)
    ended = run(*verify, "--json", cwd=tmp_path)
    assert (ended.code, ended.summary["links"]["equal"]) == (0, 30), ended
    ends = [
        {
            "from": {"type": "contacts", "email": f"c{i}@example.com"},
            "to": {"type": "companies", "sf_id": key},
        }
        for i, key in ((4, "co1"), (5, "co3"))
    ]
    mock.change_links([{**ends[1], "label": "Primary"}], [ends[0]])
    ended = run(*verify, cwd=tmp_path)
    assert ended.code == 1
    for line in ("28  links equal", "1  links missing", "1  links whose record is not the primary one"):
        assert f"{line}" in ended.out
    assert "list of the differences: contacts.csv.differences.csv" in ended.err
    with (tmp_path / "contacts.csv.differences.csv").open(encoding="utf-8", newline="") as file:
        gone, other = csv.DictReader(file)
    company = {one["properties"]["sf_id"]: one["id"] for one in mock.objects("companies")}
    shown = [gone[name] for name in ("verdict", "row", "key", "property", "wanted", "to_id", "value")]
    assert shown == ["link missing", "6", "c4@example.com", "account", "Primary", company["co1"], "co1"]
    assert (other["verdict"], other["note"]) == ("other primary", f"{company['co3']} is the primary one")
    page = run("report", "contacts.csv.checkpoint", "-o", "-", cwd=tmp_path).out
    assert "of 30 links, 28 as made, 1 missing, 1 with another primary record" in page


def test_a_file_of_another_kind_is_not_overwritten(tmp_path, hubspot_mock):
    write(tmp_path / "contacts.csv", 10)
    mock = hubspot_mock()
    run("upload", "contacts.csv", "--base-url", mock.url, cwd=tmp_path)
    ended = run(
        "verify", "contacts.csv.checkpoint", "-o", "contacts.csv", "--base-url", mock.url, cwd=tmp_path
    )
    assert ended.code == 2
    assert "no list of differences" in ended.err


def test_a_wrong_token_is_reported_with_what_to_do(tmp_path, hubspot_mock):
    write(tmp_path / "contacts.csv", 50)
    mock = hubspot_mock()
    assert run("upload", "contacts.csv", "--base-url", mock.url, cwd=tmp_path).code == 0
    locked = hubspot_mock(scenario={"auth": {"tokens": ["another"]}})
    ended = run("verify", "contacts.csv.checkpoint", "--base-url", locked.url, cwd=tmp_path)
    assert ended.code in {2, 78}
    assert "provide a valid token" in ended.err


def test_a_verify_that_is_killed_while_it_reads_links_goes_on_there(tmp_path, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    mock.reset(objects={"companies": [{"properties": {"external_id": f"A{n}"}} for n in range(3)]})
    bosses = [f"p{n - n % 10}@x.com" if n % 10 else "" for n in range(300)]
    rows = "".join(f"p{n}@x.com,A{n % 3},{boss}\n" for n, boss in enumerate(bosses))
    (tmp_path / "c.csv").write_text(f"email,account,boss\n{rows}")
    links = ("--associate", "account=companies.external_id", "--associate", "boss=contacts.email")
    job = ("--base-url", mock.url, "--rate", "1000/1")
    assert run("upload", "c.csv", *links, *job, cwd=tmp_path).code == 0
    ends = [{"type": "contacts", "email": one} for one in ("p7@x.com", "p0@x.com", "p9@x.com")]
    mock.change_links(remove=[{"from": ends[0], "to": ends[1]}])
    mock.change_links(
        remove=[{"from": ends[2], "to": {"type": "companies", "external_id": "A0"}}],
        add=[{"from": ends[0], "to": {"type": "companies", "external_id": "A2"}}],
    )
    mock.change_scenario(holding(1, endpoint="associations"))
    before = mock.stats()["by_endpoint"]["associations"]
    process = start("verify", "c.csv.checkpoint", *job, cwd=tmp_path)

    def is_reading() -> bool:
        stats = mock.stats()
        return stats["by_endpoint"]["associations"] == before + 2 and stats["in_flight"] == 1

    wait_until(is_reading, process)
    kill(process)
    mock.change_scenario({})
    seen = len(mock.log())
    done = run("verify", "c.csv.checkpoint", *job, "--json", cwd=tmp_path)
    assert done.code == 1, done
    assert (done.summary["links"]["missing"], done.summary["missing"]) == (2, 0), done.summary
    with (tmp_path / "c.csv.differences.csv").open(encoding="utf-8", newline="") as file:
        found = {(one["verdict"], one["key"], one["value"]) for one in csv.DictReader(file)}
    assert found == {("link missing", "p7@x.com", "p0@x.com"), ("link missing", "p9@x.com", "A0")}
    after = mock.log()[seen:]
    records = [
        one["inputs"] for one in after if one["path"].startswith("/crm/v3/objects/contacts/batch/read")
    ]
    assert sum(records) <= 3  # those of which a link is missing
