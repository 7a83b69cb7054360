"""What `check` prints fits one screen and reads from the top; `--details` says all of it."""

import re

import pytest

from support.check_runs import check
from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from uploader.check.as_json import as_dict
from uploader.cli.text.check.details import lines
from uploader.cli.text.check.screen import screen

FIRST_ROW = 2  #: the header is row 1
WORDS = ["check", "contacts.csv"]
STAGES = ["Prospect", "MQL", "customer", "lead"]
OTHERS = ["Account Name", "Lead Source", "Mailing Street", "Mailing City", "Mailing State", "Do Not Call"]


def row_of(number):
    return {
        "Contact ID": f"003{number:015}",
        "First Name": "Ann",
        "Last Name": "",
        "Email": "none@none.com" if number % 20 == 3 else f"c{number}@example.com" if number % 50 else "none",
        "Phone": ("4.15555E+09", "n/a", "+49 30 1")[number % 3],
        "Title": ("CEO", "n/a", "")[number % 3],
        "Lifecycle Stage": STAGES[number % 4],
        "Owner": ("ann.lee@example.com", "gone@example.com", "Zoe Gone")[number % 3],
        "Birthdate": ("1980-02-03", "1899-12-30")[number % 2],
        "Postal Code": ("2134", "10115")[number % 2],
        "Email Opt Out": ("0", "1")[number % 9 == 0],
        **{name: f"{name} {number % 5}" for name in OTHERS},
        **{f"Custom {place}": "x" for place in range(3)},
    }


def messy(tmp_path, count=900):
    job = Job(write_csv(tmp_path / "contacts.csv", [row_of(n) for n in range(count)]), make_simulator())
    return job, {"Contact ID": "external_id", "Phone": "phone", "Title": "jobtitle", "Postal Code": "zip"}


def words_of(text):
    return [word.strip(",;:") for line in text for word in line.split()]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("is_mapped", [False, True])
def test_a_messy_file_of_twenty_columns_fits_one_screen_and_no_word_is_broken(tmp_path, width, is_mapped):
    job, mapped = messy(tmp_path)
    names = {**mapped, "Owner": "hubspot_owner_id", "Birthdate": "date_of_birth"}
    ignored = frozenset([*OTHERS, *(f"Custom {place}" for place in range(3))])
    more = {"mapped": names, "ignored": ignored, "suppress_where": {"Email Opt Out": ()}} if is_mapped else {}
    report = check(job, **more)
    settings = job.settings(**more)
    shown = screen(report, settings, WORDS, width)
    assert 24 <= len(shown) <= 40
    assert max(map(len, shown)) <= width
    assert shown[0].startswith("upload cannot start")
    table = next(at for at, line in enumerate(shown) if line.startswith("column "))
    rows = next(at for at, line in enumerate(shown) if line.startswith("900 rows"))
    cost = next(at for at, line in enumerate(shown) if " requests are left today" in line)
    assert 0 < table < rows < cost < len(shown) - 1
    assert all(
        line.startswith(("PROBLEM: ", "OPT-OUTS: ", "KEYS: ", "NOT ", "account ", "  "))
        for line in shown[1 : table - 1]
    )
    whole = set(words_of(screen(report, settings, WORDS)))
    sentences = [*shown[:table], *shown[rows:]]
    assert [
        w for w in words_of(sentences) if w not in whole and w not in {"...", "\\"} and "(" not in w
    ] == []


@pytest.mark.parametrize("is_mapped", [False, True])
def test_on_a_narrow_terminal_only_a_command_is_wider(tmp_path, is_mapped):
    job, mapped = messy(tmp_path)
    names = {**mapped, "Owner": "hubspot_owner_id", "Birthdate": "date_of_birth"} if is_mapped else {}
    report, settings = check(job, mapped=names), job.settings(mapped=names)
    for width in (40, 60):
        shown = [one for one in screen(report, settings, WORDS, width) if "  uploader check" not in one]
        assert max(map(len, shown)) <= width
        (header,) = (line.split() for line in shown if line.startswith("column "))
        assert header[:2] == ["column", "property"]
        assert header[-1] == "remark"
        assert ("values" in header) == (width == 60)


def test_columns_show_how_full_they_are_what_they_hold_and_what_they_may_be(tmp_path):
    job, mapped = messy(tmp_path)
    report = check(job, mapped=mapped)
    text = "\n".join(screen(report, job.settings(mapped=mapped), WORDS, 160))
    cells = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert cells["Title"][1:5] == ["jobtitle", "67%", "2", "CEO"]
    assert cells["Last Name"][2:5] == ["lastname", "0%", "0"]
    assert cells["Contact ID"][2:5] == ["external_id", "100%", "900"]
    assert cells["Mailing Street"][2:5] == ["address?", "100%", "5"]
    assert cells["Email Opt Out"][3:6] == ["?", "100%", "2"]
    assert "450 bad options" in text
    assert "300 E notation" in text
    assert "450 lost zeros?" in text
    columns = {one["column"]: one for one in as_dict(report)["columns"]}
    title, street = columns["Title"], columns["Mailing Street"]
    assert (title["cells"], title["filled"], title["distinct"], title["samples"]) == (
        900,
        600,
        2,
        ["CEO", "n/a"],
    )
    assert (street["property"], street["proposal"], title["proposal"]) == ("", "address", None)


def test_bad_values_are_said_once_with_what_may_be_meant_and_keys_that_a_problem_names_not_again(tmp_path):
    job, mapped = messy(tmp_path)
    shown = screen(check(job, mapped=mapped), job.settings(mapped=mapped), WORDS, 120)
    text = "\n".join(shown)
    assert "     450  Lifecycle Stage: MQL (225; marketingqualifiedlead?), Prospect (225)" in text or (
        "     450  Lifecycle Stage: Prospect (225), MQL (225; marketingqualifiedlead?)" in text
    )
    assert text.count("lifecyclestage takes ") == 1
    assert "OPTION" not in text
    assert sum("none@none.com" in line for line in shown if line.startswith("PROBLEM")) == 1
    assert "--blank-value" in text
    assert text.count('--blank-value "Email=none@none.com"') == 1


def test_details_say_all_of_it(tmp_path):
    job, mapped = messy(tmp_path)
    report = check(job, mapped=mapped)
    shown = lines(report, job.settings(mapped=mapped), WORDS, 80)
    text = "\n".join(shown)
    assert shown[0].startswith("upload cannot start")
    for column in report.columns:
        assert any(line.startswith(column.column) for line in shown)
    joined = " ".join(text.split())
    for problem in report.problems:
        assert " ".join(problem.split()) in joined
    assert "scopes: " in text
    assert "row 3, 6" in text or "rows 2, 5" in text


@pytest.mark.parametrize("width", [40, 80])
def test_sources_without_rows_or_a_header_and_without_an_account_are_shown_too(tmp_path, width):
    (tmp_path / "a.ndjson").write_text('{"email": "a@x.com", "tier": "gold"}\n')
    (tmp_path / "b.csv").write_text("email,tier\na@x.com,\n")
    for name in ("a.ndjson", "b.csv"):
        job = Job(tmp_path / name, make_simulator())
        for more in ({}, {"offline": True}):
            report = check(job, **more)
            shown = screen(report, job.settings(**more), ["check", name], width)
            assert any(line.endswith("can be sent") for line in shown), shown
            assert (
                lines(report, job.settings(**more), ["check", name], width)[0]
                == shown[0].partition(" (--")[0]
            )


@pytest.mark.parametrize("match", [("email",), ("email", "external_id")])
def test_two_people_with_one_address_are_named_and_what_becomes_of_them(tmp_path, match):
    rows = [{"email": f"c{at}@example.com", "external_id": f"003{at}"} for at in range(8)]
    for at in (2, 4, 6):  # with the address of the row before it
        rows[at]["email"] = rows[at - 1]["email"].upper()
    rows.append(dict(rows[0]))  # the same person once more
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator())
    report = check(job, match=match)
    found = as_dict(report)
    assert (found["repeated_keys"], found["split_keys"], found["shared_rows"]) == (4, 3, 0)
    pairs = [(one["first_row"], one["row"], one["property"]) for one in found["split"]]
    assert pairs == [(at, at + 1, "external_id") for at in (FIRST_ROW + 1, FIRST_ROW + 3, FIRST_ROW + 5)]
    (line,) = [one for one in screen(report, job.settings(), ["check"]) if "keys stand" in one]
    which = f"external_id, such as row {FIRST_ROW + 1} and row {FIRST_ROW + 2}, "
    assert line.startswith(f"       3  keys stand on rows with different values of {which}")
    assert "the later row overwrites the earlier one" in line
    assert line in lines(report, job.settings(), ["check"])


_ONE_AS_SEVERAL = re.compile(
    r"(?<![\w,.])1 +(?:[a-z]+ )?(?:rows|keys|values|cells|links|owners|options|requests|batches|columns)\b"
)


def test_what_there_is_one_of_is_told_in_the_singular(tmp_path):
    rows = [
        {"email": "a@x.com", "tier": "platinum", "owner": "", "city": "", "out": ""},
        {"email": "A@x.com", "tier": "", "owner": "Zoe Gone", "city": "n/a", "out": ""},
        {"email": "b@x.com", "tier": "", "owner": "", "city": "Berlin", "out": "yes"},
    ]
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator())
    more = {"mapped": {"owner": "hubspot_owner_id"}, "suppress_where": {"out": ()}}
    report = check(job, **more)
    for make in (screen, lines):
        shown = make(report, job.settings(**more), WORDS, 100)
        assert [line for line in shown if _ONE_AS_SEVERAL.search(line)] == []
        assert any(" 1  key is repeated, in 1 further row" in line for line in shown)


def test_an_owner_of_whose_name_there_are_several_is_not_called_unknown(tmp_path):
    """The ids to choose from are named."""
    owners = [
        {"id": number, "email": f"{number}@x.com", "first_name": "Ann", "last_name": "Lee"}
        for number in ("4711", "4712")
    ]
    rows = [{"email": f"c{n}@x.com", "hubspot_owner_id": ("Ann Lee", "Zoe Gone")[n % 2]} for n in range(5)]
    job = Job(write_csv(tmp_path / "a.csv", rows), make_simulator(owners=owners))
    report, settings = check(job), job.settings()
    several = "Ann Lee is the name of several owners: 4711 4711@x.com, 4712 4712@x.com"
    shown = screen(report, settings, WORDS, 120)
    assert f"       3  hubspot_owner_id: {several}" in shown
    assert "       2  hubspot_owner_id: 1 unknown owner: Zoe Gone (2)" in shown
    full = "\n".join(lines(report, settings, WORDS))
    assert several in full
    assert "2  of them name 1 owner that this account does not have" in full
    found = as_dict(report)
    assert found["unknown_owners"] == {"hubspot_owner_id": {"Ann Lee": 3, "Zoe Gone": 2}}
    assert found["ambiguous_owners"] == {"hubspot_owner_id": {"Ann Lee": ["4711", "4712"]}}


def test_remarks_on_one_value_are_in_the_singular(tmp_path):
    rows = [{"email": f"c{n}@example.{'con' if n == 3 else 'com'}"} for n in range(9)]
    job = Job(write_csv(tmp_path / "a.csv", rows), make_simulator())
    assert any(
        "1 odd domain" in line and "domains" not in line
        for line in screen(check(job), job.settings(), WORDS, 120)
    )
