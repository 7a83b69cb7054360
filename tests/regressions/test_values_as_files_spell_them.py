"""Values of real files that were written wrong, or refused although they were right."""

import asyncio
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import uploader
from support.check_runs import check
from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from support.soaked import some
from uploader.check.as_json import as_dict
from uploader.check.run import Check
from uploader.cli.text.check.details import lines
from uploader.errors import SettingsError
from uploader.option_files.suppression import read_suppression


def job_of(tmp_path, column, texts, **options):
    rows = [{"email": f"c{number}@x.com", column: text} for number, text in enumerate(texts)]
    return Job(write_csv(tmp_path / "a.csv", rows), make_simulator(quota="none"), options)


def held(job, name):
    return [properties.get(name) for _, properties in sorted(job.held().items())]


# --- numbers in date columns ---


@pytest.mark.parametrize("as_json", [False, True], ids=["CSV", "NDJSON"])
@pytest.mark.parametrize("name", ["renewal_date", "last_seen"])
def test_seconds_since_1970_do_not_become_a_day_in_january_1970(tmp_path, name, as_json):
    """1728000000 is 2024-10-04, and as milliseconds, which HubSpot takes, 1970-01-21."""
    job = job_of(tmp_path, name, ["1728000000", "1728086400"])
    if as_json:
        lines = [{"email": f"c{n}@x.com", name: 1728000000 + n * 86400} for n in range(2)]
        job.source = tmp_path / "a.ndjson"
        job.source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(SettingsError) as asked:
        job.run_virtual()
    assert f"{name}: row {1 if as_json else 2} has 1728000000, which could be 2024-10-04 (SECONDS)" in str(
        asked.value
    )
    assert f'--date-order "{name}=SECONDS" or =MILLISECONDS' in str(asked.value)
    assert job.held() == {}
    assert job.run_virtual(date_orders={name: "SECONDS"}).exit_code == 0
    assert [value[:10] for value in held(job, name)] == ["2024-10-04", "2024-10-05"]


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_check_shows_numbers_that_are_read_as_dates(tmp_path, name):
    """Also those far from today: a number of thirteen digits is milliseconds up to the year 2199."""
    job = job_of(tmp_path, "renewal_date", ["1735603200000", "20251231", "1735603200000", "2025-01-01"])
    if name == "a.ndjson":
        rows = [
            {"email": "a@x.com", "renewal_date": 1735603200000},
            {"email": "b@x.com", "renewal_date": 4.1024448e12},
        ]
        job.source = tmp_path / name
        job.source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (found,) = as_dict(check(job))["date_numbers"]
    texts = [one["reason"] for one in found["examples"]]
    assert (found["column"], texts[0]) == ("renewal_date", "1735603200000 is read as 2024-12-31")
    second = "20251231 is read as 2025-12-31" if name == "a.csv" else "4102444800000 is read as 2100-01-01"
    assert (found["count"], texts[1]) == (3 if name == "a.csv" else 2, second)
    assert "numbers are read as dates:" in "\n".join(lines(check(job), job.settings(), ()))
    shown = as_dict(check(job, date_orders={"renewal_date": "MILLISECONDS"}))["date_numbers"]
    assert shown[0]["examples"][0]["reason"] == texts[0]


def test_a_few_numbers_among_dates_are_the_fault_of_their_rows(tmp_path):
    job = job_of(tmp_path, "renewal_date", ["2025-01-01", "45657", "31.12.2025", "1735603200000"])
    summary = job.run_virtual()
    assert (summary.exit_code, summary.tallies.confirmed) == (1, 3)
    (letter,) = job.dead_letters()
    assert "could be 2024-12-31 (SERIAL)" in letter.message
    assert held(job, "renewal_date") == ["2025-01-01", "2025-12-31", "2024-12-31"]


@pytest.mark.parametrize(
    "texts",
    [
        ["01122025101500", "02122025081200"],  # DDMMYYYYhhmmss
        ["1122025101500", "2122025081200"],  # the same without the zero
        ["251231101500", "241101093000"],  # YYMMDDhhmmss
        ["311220251015", "010120250915"],  # DDMMYYYYhhmm
    ],
)
def test_compact_date_times_do_not_become_milliseconds_of_another_year(tmp_path, texts):
    job = job_of(tmp_path, "last_seen", texts)
    with pytest.raises(SettingsError) as asked:
        job.run_virtual()
    assert f"last_seen: row 2 has {texts[0]}, which could be " in str(asked.value)
    assert job.held() == {}


def test_compact_date_times_are_read_in_the_order_that_is_given(tmp_path):
    job = job_of(tmp_path, "last_seen", ["01122025101500", "2122025081200", "311220251015"])
    assert job.run_virtual(date_orders={"": "DMY"}, timezones={"": "UTC"}).exit_code == 0
    assert [time[:19] for time in held(job, "last_seen")] == [
        "2025-12-01T10:15:00",
        "2025-12-02T08:12:00",
        "2025-12-31T10:15:00",
    ]


def test_a_compact_day_that_the_calendar_does_not_have_makes_its_row_invalid(tmp_path):
    job = job_of(tmp_path, "last_seen", ["202502301015", "20250228101500"])
    job.run_virtual(timezones={"": "UTC"})
    (letter,) = job.dead_letters()
    assert "last_seen: '202502301015' is not a date of the calendar" in letter.message
    assert held(job, "last_seen") == ["2025-02-28T10:15:00.000Z"]


# --- options ---

CHECKBOX = {"name": "agreed", "type": "enumeration", "checkbox": True}


@pytest.mark.parametrize(
    ("options", "texts", "values"),
    [
        ((), ["yes", "0", "TRUE"], ["true", "false", "true"]),
        (("true=Yes", "false=No"), ["Ja", "nein", "x"], ["true", "false"]),
        (("Y=Agreed", "N=Not yet"), ["yes", "off", "agreed"], ["Y", "N", "Y"]),
        (("1=On", "0=Off", "no=Maybe"), ["no", "off", "1"], ["no", "0", "1"]),  # an option has the word
    ],
)
def test_a_single_checkbox_that_is_an_enumeration_takes_the_boolean_words(tmp_path, options, texts, values):
    job = job_of(tmp_path, "agreed", texts)
    if not options:
        options = ("true", "false")
    job.simulator = make_simulator(quota="none", properties=[{**CHECKBOX, "options": list(options)}])
    job.run_virtual()
    assert held(job, "agreed") == values


COUNTRIES = {
    "name": "country_code",
    "type": "enumeration",
    "options": ["CA=California", "Canada=CA", "US=USA"],
}


def test_a_cell_that_is_the_label_of_one_option_and_the_value_of_another_is_asked_for(tmp_path):
    job = job_of(tmp_path, "country_code", ["US", "CA", "USA"])
    job.simulator = make_simulator(quota="none", properties=[COUNTRIES])
    with pytest.raises(SettingsError) as asked:
        job.run_virtual()
    assert "country_code: row 3: 'CA' is the value of one option and the label of the option" in str(
        asked.value
    )
    assert '--options "country_code=value" or =label' in str(asked.value)
    assert job.run_virtual(option_readings={"country_code": "label"}).exit_code == 0
    assert held(job, "country_code") == ["US", "Canada", "US"]


def test_rows_that_name_their_fields_are_asked_about_at_once(tmp_path):
    """The first rows suffice for it; a later one says by itself what to do."""
    source = tmp_path / "a.ndjson"
    rows = [{"email": f"c{n}@x.com", "country_code": "US"} for n in range(2_000)]
    rows.append({"email": "a@x.com", "country_code": "CA"})
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    job = Job(source, make_simulator(quota="none", properties=[COUNTRIES]))
    job.run_virtual()
    (letter,) = job.dead_letters()
    assert '--options "country_code=value" or =label' in letter.message
    job.source = tmp_path / "b.ndjson"
    job.source.write_text(json.dumps(rows[-1]) + "\n")
    with pytest.raises(SettingsError, match='--options "country_code=value" or =label'):
        job.run_virtual()


# --- what spreadsheets and exports do to texts ---


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_a_text_that_excel_wrapped_in_a_formula_is_that_text(tmp_path, name):
    """Also as a key, as a date, and as the address of somebody who is suppressed."""
    rows = [
        {"email": '="a@x.com"', "zip": '="01234"', "renewal_date": '="31.12.2025"'},
        {"email": "b@x.com", "zip": '="say ""hi"""', "renewal_date": ""},
        {"email": '="out@x.com"', "zip": "1", "renewal_date": ""},
        {"email": "c@x.com", "zip": '=A1&"x"', "renewal_date": ""},
    ]
    source = tmp_path / name
    if name == "a.csv":
        write_csv(source, rows)
    else:
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "out").write_text("out@x.com")
    suppression = read_suppression([tmp_path / "out"])
    job = Job(source, make_simulator(quota="none"), {"suppression": suppression})
    assert job.run_virtual().exit_code == 0
    assert {key: properties["zip"] for key, properties in job.held().items()} == {
        "a@x.com": "01234",
        "b@x.com": 'say "hi"',
        "c@x.com": '=A1&"x"',
    }
    assert job.held()["a@x.com"]["renewal_date"] == "2025-12-31"


def test_a_header_that_is_wrapped_like_its_cells_names_the_columns(tmp_path):
    source = tmp_path / "a.csv"
    source.write_text('="email",="zip"\n="a@x.com",="01234"\n="b@x.com",="02345"\n')
    job = Job(source, make_simulator(quota="none"))
    assert job.run_virtual().exit_code == 0
    assert held(job, "zip") == ["01234", "02345"]


def test_a_key_in_e_notation_is_refused(tmp_path):
    """Excel had made one key, 1.23457E+11, of thousands of customer numbers."""
    rows = [{"external_id": key, "firstname": "A"} for key in ("1.23457E+11", "1,2E+05", "12E5", "x")]
    job = Job(write_csv(tmp_path / "a.csv", rows), make_simulator(quota="none"), {"match": ("external_id",)})
    job.run_virtual()
    assert set(job.held("external_id")) == {"12e5", "x"}
    assert {letter.category for letter in job.dead_letters()} == {"LOST_DIGITS"}


CHANGED = {
    "APOSTROPHE": "'+4930",
    "PHONE_PREFIX": "p:+4930",
    "LOST_DIGITS": "1.23457E+11",
    "DECIMALS": "491512345678.0",
    "SPREADSHEET_ERROR": "#NAME?",
    "SEVERAL_VALUES": "+49 1 ::: +49 2",
}


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_check_counts_texts_that_a_spreadsheet_may_have_changed(tmp_path, name):
    texts = [*CHANGED.values(), "+49 30 1", "'t Hooft", "1E5"]
    rows = [{"email": f"c{number}@x.com", "phone": text} for number, text in enumerate(texts)]
    source = tmp_path / name
    if name == "a.csv":
        write_csv(source, rows)
    else:
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = Job(source, make_simulator()).settings(offline=True)
    report = asyncio.run(Check(settings).run())
    told = as_dict(report)
    assert told["sendable"] == len(texts)
    assert [(one["category"], one["column"], one["count"]) for one in told["remarks"]] == [
        (category, "phone", 1) for category in CHANGED
    ]
    text = "\n".join(lines(report, settings, ()))
    assert "6  texts may have been changed by a spreadsheet or an export" in text
    assert "'1.23457E+11' is a number in E notation" in text


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_check_names_what_excel_does_to_numbers_dates_and_postal_codes(tmp_path, name):
    header = ("email", "phone", "score", "renewal_date", "firstname", "zip")
    rows = [
        ("a@x.com", "4.15555E+09", "2.00E+05", "1899-12-30", "12/31/1899", "2134"),
        ("b@x.com", "+49 30 1", "200000", "2024-12-30", "30.12.1899 08:00", "10115"),
        ("c@x.com", "", "2", "1899-11-30", "Ann 1899", "94107"),
    ]
    source = tmp_path / name
    if name == "a.csv":
        write_csv(source, [dict(zip(header, row, strict=True)) for row in rows])
    else:
        source.write_text("".join(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in rows))
    report = check(Job(source, make_simulator()))
    assert {(one["category"], one["column"], one["count"]) for one in as_dict(report)["remarks"]} == {
        ("LOST_DIGITS", "phone", 1),
        ("LOST_DIGITS", "score", 1),
        ("NO_DATE", "renewal_date", 1),
        ("NO_DATE", "firstname", 2),
        ("LOST_ZEROS", "zip", 1),
    }
    assert report.findings.sendable == len(rows)


# --- addresses ---


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_check_foresees_domains_that_do_not_exist_and_what_was_meant(tmp_path, name):
    """One gmail.con had ended a whole run of another tool (marketing-automation#174)."""
    addresses = [
        "a@gmail.con", "b@gmail.con", "c@x.badtld", "d@hotmial.cmo", "e@münchen.de", "f@x.香港",
        "g@x.xn--j6w193g", "h@gmail.com", "nobody",
    ]  # fmt: skip
    rows = [{"email": address} for address in addresses]
    source = write_csv(tmp_path / name, rows)
    if name == "a.ndjson":
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    job = Job(source, make_simulator(quota="none"))
    settings = job.settings(offline=True)
    report = asyncio.run(Check(settings).run())
    (group,) = as_dict(report)["remarks"]
    assert (group["category"], group["column"], group["count"]) == ("TOP_LEVEL_DOMAIN", "email", 4)
    reasons = [example["reason"] for example in group["examples"]]
    assert ["gmail.com" in reason for reason in reasons] == [True, True, False, False]
    assert "did you mean hotmail.com?" in reasons[3]
    assert "c@" not in reasons[2]
    assert "4  addresses have a domain" in "\n".join(lines(report, settings, ()))
    # The account decides.
    assert job.run_virtual().as_dict()["rejected"] == 4
    assert len(job.held()) == 4


def test_check_names_both_rows_of_one_address_under_two_keys(tmp_path):
    """In a job by another key, HubSpot gives an address to one contact only and refuses the second row."""
    rows = [
        {"external_id": "1", "email": "a@x.com"},
        {"external_id": "2", "email": "b@x.com"},
        {"external_id": "1", "email": "A@x.com"},
        {"external_id": "3", "email": ""},
        {"external_id": "4", "email": ""},
        {"external_id": "5", "email": " B@X.com"},
        {"external_id": "6", "email": "b@x.com"},
    ]
    sources = [write_csv(tmp_path / "a.csv", rows[:4]), write_csv(tmp_path / "b.csv", rows[4:])]
    job = Job(sources[0], make_simulator(quota="none"), {"match": ("external_id",)})
    settings = job.settings(offline=True, sources=tuple(map(str, sources)))
    report = asyncio.run(Check(settings).run())
    assert report.exit_code == 1
    found = as_dict(report)
    assert (found["repeated_rows"], found["shared_rows"]) == (1, 2)
    assert [
        (Path(one["source"]).name, one["row"], one["property"], one["first_row"]) for one in found["shared"]
    ] == [
        ("b.csv", 3, "email", 3),
        ("b.csv", 4, "email", 3),
    ]
    text = "\n".join(lines(report, settings, ()))
    assert "2  rows have a unique value of a row with another key" in text
    job.run_virtual(sources=tuple(map(str, sources)))
    assert len(job.dead_letters()) == 2


INVISIBLE = ["\u200b", "\ufeff", "\u200e", "\u202a", "\u00ad", "\u2060"]


@pytest.mark.parametrize("mark", INVISIBLE)
@pytest.mark.parametrize("name", ["a.csv", "a.ndjson", "escaped.ndjson"])
def test_invisible_characters_at_the_ends_of_cells_are_white_space(tmp_path, name, mark):
    rows = [
        {"email": f"{mark} a@x.com{mark}", "firstname": f" {mark}Ann {mark}"},
        {"email": f"b{mark}@x.com", "firstname": f"B{mark}o"},
        {"email": "c@x.com", "firstname": f"C{mark}d"},
    ]
    source = write_csv(tmp_path / name, rows)
    if name.endswith("ndjson"):
        ascii_only = name.startswith("escaped")
        text = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows)
        source.write_text(text, encoding="utf-8")
    job = Job(source, make_simulator(quota="none"))
    job.run_virtual()
    held = {key: properties["firstname"] for key, properties in job.held().items()}
    assert held == {"a@x.com": "Ann", "c@x.com": f"C{mark}d"}
    (letter,) = job.dead_letters()
    assert f"\\{'x' if mark == INVISIBLE[4] else 'u'}" in letter.message  # it is shown escaped
    assert letter.message.endswith("is not an e-mail address")


def written(tmp_path, column, texts, name):
    """What the file's values become, or what is asked."""
    job = job_of(tmp_path, column, texts)
    if name.endswith("ndjson"):
        job.source = tmp_path / name
        rows = [{"email": f"c{number}@x.com", column: text} for number, text in enumerate(texts)]
        job.source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    job.simulator = make_simulator(quota="none", properties=[{"name": "count", "type": "number"}])
    job.checkpoint = tmp_path / f"{len(list(tmp_path.iterdir()))}.checkpoint"
    try:
        job.run_virtual()
    except SettingsError as error:
        return str(error)
    return held(job, column)


@pytest.mark.parametrize(
    ("name", "wrapping"),
    some(
        *(("a.csv", '="%s"'), ("a.ndjson", '\u200b="\u200e%s"')),
        soaked=[
            *(("a.csv", "\u200e%s"), ("a.csv", '\u200b="\u200e%s"')),
            *(("a.ndjson", "\u200e%s"), ("a.ndjson", '="%s"')),
        ],
    ),
)
@pytest.mark.parametrize(
    ("column", "texts"),
    [
        ("renewal_date", ["12/31/2025", "31/12/2025", "05/12/2025"]),
        ("renewal_date", ["04/12/2025", "05/12/2025"]),
        ("renewal_date", ["31/12/2025", "05/12/2025"]),
        ("renewal_date", ["45657"]),
        ("count", ["1,5", "1,234.5", "1.234"]),
        ("count", ["1,5", "1.234"]),
        ("last_seen", ["2025-01-02 10:00"]),
    ],
)
def test_formats_are_inferred_from_the_texts_that_are_written(tmp_path, column, texts, wrapping, name):
    plain = written(tmp_path, column, texts, name)
    for wrapped in (
        [texts[0], *(wrapping % text for text in texts[1:])],
        [wrapping % text for text in texts],
    ):
        for used in tmp_path.iterdir():
            used.unlink()
        assert written(tmp_path, column, wrapped, name) == plain


def test_a_draft_sees_the_texts_that_are_written(tmp_path):
    job = job_of(tmp_path, "renewal_date", ['="04/12/2025"', "\u200e05/12/2025"])
    assert "day or month first?" in check(job, drafts=True).draft.toml()


@pytest.mark.parametrize(
    "wrapped", ['\\u003d\\"01234\\"', "=\\u002201234\\u0022", "\\u003D\\u002201234\\u0022"]
)
def test_an_escaped_formula_is_a_text_without_a_plain_one_beside_it(tmp_path, wrapped):
    """Gson escapes the equals sign, other writers the quote."""
    source = tmp_path / "a.ndjson"
    source.write_text(f'{{"email":"a@x.com","zip":"{wrapped}"}}\n')
    job = Job(source, make_simulator(quota="none"))
    job.run_virtual()
    assert held(job, "zip") == ["01234"]


def test_a_field_whose_name_holds_an_invisible_character_has_the_order_that_is_given(tmp_path):
    source = tmp_path / "a.ndjson"
    source.write_text('{"email":"c0@x.com","renewal_date\\u200b":"45657"}\n')
    job = Job(source, make_simulator(quota="none"))
    assert job.run_virtual(date_orders={"renewal_date": "SERIAL"}).exit_code == 0
    assert held(job, "renewal_date") == ["2024-12-31"]


# --- time zones ---


def test_a_machine_without_zone_files_knows_the_time_zones(tmp_path):
    """A slim container refused `--timezone Europe/Berlin` as no time zone."""
    code = "from uploader.records.values.convert import find_zone; print(find_zone('Europe/Berlin'))"
    environment = {"PYTHONTZPATH": str(tmp_path), "PATH": os.environ["PATH"]}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout == "Europe/Berlin\n", run.stderr
    named = tomllib.loads((Path(uploader.__file__).parents[1] / "pyproject.toml").read_text())
    assert any(one.startswith("tzdata") for one in named["project"]["dependencies"])
