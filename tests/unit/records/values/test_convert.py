"""A value as HubSpot wants it, by its property's type; what has two meanings is refused."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from support.builders import row
from uploader.hubspot.owner_lookup import Owner, Owners, decode_owners
from uploader.hubspot.requests import sent_properties
from uploader.hubspot.schema import Kind, Option, Schema
from uploader.mockserver.account.default_properties import properties_of
from uploader.mockserver.account.object_types import CONTACTS
from uploader.model.records import Record, Unsent
from uploader.model.rows import Fault
from uploader.records.columns import MappingError, Rules, resolve_columns
from uploader.records.format_inference import OrderFinder, decide
from uploader.records.mapper import Mapper
from uploader.records.values.compare import Match, compare
from uploader.records.values.convert import converter
from uploader.records.values.datetimes import DateOrder, as_date, as_moment, lacks_zone, orders_of
from uploader.records.values.numbers import as_number, as_own_number, marks_of

_FROM, _TO = datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2100-01-01")
BERLIN = ZoneInfo("Europe/Berlin")
OWNERS = Owners(
    [
        Owner("1", "ann@x.com", "Ann", "Lee", user_ids=("91",)),
        Owner("2", "bob@x.com", "Bob", "Stone"),
        Owner("3", "bob2@x.com", "Bob", "Stone"),
        Owner("4", "ann@x.com", "Ann", "Lee", archived=True),
        Owner("5", "gone@x.com", "Dora", "Gone", archived=True),
    ]
)
SCHEMA = Schema(
    labels=dict.fromkeys(("email", "note", "born", "seen", "score", "vip", "tier", "likes", "owner"), ""),
    kinds={
        "email": Kind("string"),
        "note": Kind("string"),
        "born": Kind("date"),
        "seen": Kind("datetime"),
        "score": Kind("number"),
        "vip": Kind("bool"),
        "tier": Kind("enumeration"),
        "likes": Kind("enumeration", is_multiple=True),
        "owner": Kind("enumeration"),
    },
    options={
        "vip": (Option("Off", "true"), Option("On", "false")),  # as somebody has labelled them
        "tier": (
            Option("Gold", "gold"),
            Option("Old", "v1", hidden=True),
            Option("Old", "v2"),
            Option("silver", "SILVER"),
            Option("A", "x"),
            Option("a", "y"),
        ),
        "likes": (Option("Hiking", "hiking"), Option("Chess, fast", "chess"), Option("Music", "music")),
    },
    owned=frozenset({"owner"}),
    owners=OWNERS,
)


def convert(name, text, **rules):
    return converter(name, name, SCHEMA, Rules(**rules))(text)


def refused(value):
    return isinstance(value, Fault)


# --- dates ---


@pytest.mark.parametrize(
    ("text", "order", "wanted"),
    [
        ("2025-12-31", None, "2025-12-31"),
        ("2025/12/31", DateOrder.MDY, "2025-12-31"),
        ("20251231", None, "2025-12-31"),
        ("31.12.2025", None, "2025-12-31"),  # one order only makes it a date
        ("31. 12. 2025", None, "2025-12-31"),
        ("05/05/2025", None, "2025-05-05"),
        ("12/05/2025", DateOrder.DMY, "2025-05-12"),
        ("12/05/2025", DateOrder.MDY, "2025-12-05"),
        ("31 Dec 2025", None, "2025-12-31"),
        ("Dec 31, 2025", None, "2025-12-31"),
        ("Wednesday, December 31st, 2025", None, "2025-12-31"),
        ("31-Sept-2025", None, None),
        ("1-Sept-2025", None, "2025-09-01"),
        ("5. März 2025", None, "2025-03-05"),
        ("5. Maerz 2025", None, "2025-03-05"),
        ("Mittwoch, 31. Dezember 2025", None, "2025-12-31"),
        ("Mi., 31. Dez. 2025", None, "2025-12-31"),
        ("1. Jänner 2025", None, "2025-01-01"),
        ("5 mars 2025", None, "2025-03-05"),
        ("mar. 5 ao\u00fbt 2025", None, "2025-08-05"),
        ("1er f\u00e9vr. 2025", None, "2025-02-01"),
        ("1er fe\u0301vrier 2025", None, "2025-02-01"),  # the accent by itself
        ("5 jui 2025", None, None),  # juin or juillet
        ("5 de marzo de 2025", None, "2025-03-05"),
        ("miércoles, 5 de septiembre del 2025", None, "2025-09-05"),
        ("1º gennaio 2025", None, "2025-01-01"),
        ("5 mag 2025", None, "2025-05-05"),
        ("segunda-feira, 1 de dezembro de 2025", None, "2025-12-01"),
        ("5 maart 2025", None, "2025-03-05"),
        ("5-mrt-2025", None, "2025-03-05"),
        ("5th of December 2025", None, "2025-12-05"),
        ("the 5th of December, 2025", None, "2025-12-05"),
        ("Mar 5, 2025", None, "2025-03-05"),
        ("not 5 March 2025", None, None),
        ("5 Marzipan 2025", None, None),
        ("31. Juni 2025", None, None),
        ("2025-12-31T00:00:00.000+0000", None, "2025-12-31"),
        ("31/12/2025 12:00 AM", None, "2025-12-31"),
        ("2025-12-31T10:00:00Z", None, None),
        ("1767139200000", None, "2025-12-31"),  # midnight in UTC
        ("1767139200001", None, None),
        ("45657", None, None),
        ("45657", DateOrder.SERIAL, "2024-12-31"),
        ("20088", DateOrder.DAYS, "2024-12-31"),
        ("1735603200", DateOrder.SECONDS, "2024-12-31"),
        ("1735603200000000", DateOrder.MICROSECONDS, "2024-12-31"),
        ("1735603200000000000", DateOrder.NANOSECONDS, "2024-12-31"),
        ("1728000000", DateOrder.MILLISECONDS, "1970-01-21"),
        ("31.12.2025", DateOrder.SERIAL, "2025-12-31"),
        ("-631152000000", None, "1950-01-01"),
        ("45657.0", DateOrder.SERIAL, "2024-12-31"),
        ("45657.5", DateOrder.SERIAL, None),
        ("12/05/2025", None, None),
        ("12/31/2025", DateOrder.DMY, None),
        ("31.12.25", DateOrder.DMY, None),
        ("2025-02-30", None, None),
        ("0000-00-00", None, None),
        ("soon", None, None),
    ],
)
def test_a_date_is_read_where_it_is_one_day_and_else_refused(text, order, wanted):
    got = as_date(text, order, None)
    assert got == wanted or (wanted is None and got.category == "DATE")


def test_a_moment_that_is_midnight_in_the_zone_given_is_its_day():
    assert as_date("2025-12-30T23:00:00Z", None, BERLIN) == "2025-12-31"
    assert refused(as_date("2025-12-30T23:00:00Z", None, None))


@pytest.mark.parametrize(
    ("text", "zone", "wanted"),
    [
        ("2025-12-31T10:00:00Z", None, "2025-12-31T10:00:00Z"),
        ("2025-12-31T10:00:00.5+01:00", None, "2025-12-31T09:00:00.500Z"),
        ("2025-12-31T10:00:00.000+0100", None, "2025-12-31T09:00:00Z"),
        ("2025-12-31 10:00 UTC", None, "2025-12-31T10:00:00Z"),
        ("2025-12-31 10:00", BERLIN, "2025-12-31T09:00:00Z"),
        ("2025-07-31 10:00 PM", BERLIN, "2025-07-31T20:00:00Z"),
        ("2025-12-31 10:00", None, None),
        ("2025-12-31", BERLIN, "2025-12-30T23:00:00Z"),
        ("2025-03-30 02:30", BERLIN, None),  # skipped
        ("2025-10-26 02:30", BERLIN, "2025-10-26T00:30:00Z"),  # the first of two
        ("1767139200123", None, "2025-12-31T00:00:00.123Z"),
        ("1767139200", None, None),  # seconds
        ("45657.5", None, None),
        ("2025-12-31 25:00 UTC", None, None),
        ("2025-12-31 10:00 CET", BERLIN, None),
    ],
)
def test_a_moment_needs_a_zone_and_ends_in_utc(text, zone, wanted):
    got = as_moment(text, None, zone)
    assert got == wanted or (wanted is None and got.category == "DATETIME")


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("45657", "2024-12-31 (SERIAL) or 2095-01-02 (DAYS)"),
        ("1728000000", "2024-10-04 (SECONDS) or 1970-01-21 (MILLISECONDS)"),
        ("1735603200.25", "2024-12-31 (SECONDS) or 1970-01-21 (MILLISECONDS)"),
        ("86400000", "1972-09-27 (SECONDS) or 1970-01-02 (MILLISECONDS)"),
        ("1735603200000000", "2024-12-31 (MICROSECONDS) or 1970-01-21 (NANOSECONDS)"),
        ("202512311015", "1976-06-01 (MILLISECONDS) or 1970-01-03 (MICROSECONDS) or 2025-12-31 (YMD)"),
        ("253402300799000", "1978-01-11 (MICROSECONDS) or 1970-01-03 (NANOSECONDS)"),
    ],
)
def test_a_number_that_could_be_several_dates_is_asked_for_with_all_of_them(text, readings):
    for fault in (as_date(text, None, UTC), as_moment(text, None, UTC)):
        assert readings in fault.reason
        assert all(f"={part.split('(')[1]}"[:-1] in fault.reason for part in readings.split(" or "))


@pytest.mark.parametrize("text", ["45,657", "45.657", "-1,728"])
@pytest.mark.parametrize("unit", ["DAYS", "SECONDS", "MILLISECONDS"])
def test_a_number_with_separated_thousands_is_no_day_of_1970(text, unit):
    assert refused(as_moment(text, DateOrder(unit), UTC))


MONTHS = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
}


@given(st.integers(-(10**20), 10**20))
def test_no_number_becomes_a_day_in_1970_unless_that_is_said(number):
    read = as_moment(str(number), None, UTC)
    assert refused(read) or not read.startswith("1970") or str(number).startswith("1970")
    day = as_date(str(number), None, UTC)
    assert refused(day) or day == read[:10]


@pytest.mark.parametrize("language", MONTHS)
@pytest.mark.parametrize("size", [3, 4, 99])
def test_every_month_has_its_name_in_every_language(language, size):
    for month, name in enumerate(MONTHS[language].split(), 1):
        day = as_date(f"5 {name[:size]} 2025", None, None)
        is_open = size == 3 and name in {"juin", "juillet"}
        assert refused(day) if is_open else day == f"2025-{month:02}-05"


@pytest.mark.parametrize(
    ("text", "order", "wanted"),
    [
        ("01122025101500", DateOrder.DMY, "2025-12-01T10:15:00Z"),
        ("01122025101500", DateOrder.MDY, "2025-01-12T10:15:00Z"),
        ("1122025101500", DateOrder.DMY, "2025-12-01T10:15:00Z"),  # its zero was dropped
        ("311220251015", DateOrder.DMY, "2025-12-31T10:15:00Z"),
        ("31122025", DateOrder.DMY, "2025-12-31T00:00:00Z"),
        ("20251231101500", DateOrder.DMY, "2025-12-31T10:15:00Z"),
        ("251231101500", DateOrder.MILLISECONDS, "1977-12-17T18:25:01.500Z"),
        ("315532800000", DateOrder.DMY, "1980-01-01T00:00:00Z"),
        ("01122025101500", None, "2025-12-01 (DMY) or 2025-01-12 (MDY)"),
        ("1122025101500", None, "2005-07-22 (MILLISECONDS)"),
        ("311220251015", None, "1979-11-12 (MILLISECONDS)"),
        ("31122025", None, "2025-12-31 (DMY)"),
        ("251231101500", None, "has a year of two digits"),
        ("311225101500", DateOrder.DMY, "has a year of two digits"),
        ("010225101500", None, "has a year of two digits: use four"),
        ("202502301015", None, "is not a date of the calendar"),
        ("202502301015", DateOrder.YMD, "is not a date of the calendar"),
        ("202513311015", None, "is not a date of the calendar"),
        ("202512312400", None, "is not a date of the calendar"),
        ("30022025101500", DateOrder.DMY, "is not a date of the calendar"),
        ("0946684800000", None, "is a number and not a date"),
        ("0045657", None, "is a number and not a date"),
    ],
)
def test_digits_that_could_be_a_compact_date_are_no_other_number(text, order, wanted):
    read = as_moment(text, order, UTC)
    assert read == wanted if isinstance(read, str) else wanted in read.reason


@given(st.dates(date(1800, 1, 1), date(2199, 12, 31)), st.times(), st.sampled_from(["", "%S"]))
def test_a_compact_date_time_is_read_in_the_order_of_its_column(day, clock_time, seconds):
    clock, moment = "%H%M" + seconds, datetime.combine(day, clock_time)
    wanted = moment.replace(microsecond=0, second=moment.second if seconds else 0)
    for order, form in (("DMY", "%d%m%Y"), ("MDY", "%m%d%Y"), ("YMD", "%Y%m%d")):
        text = moment.strftime(form + clock)
        assert as_moment(text, DateOrder(order), UTC) == wanted.isoformat() + "Z"
        if order != "YMD":
            assert refused(as_moment(text, None, UTC))


def test_a_compact_time_is_no_number():
    assert as_moment("20251231101500", None, UTC) == "2025-12-31T10:15:00Z"
    assert as_moment("202512311015", DateOrder.YMD, UTC) == "2025-12-31T10:15:00Z"


def test_a_serial_moment_is_read_where_it_is_said():
    assert as_moment("45657.5", DateOrder.SERIAL, BERLIN) == "2024-12-31T11:00:00Z"


@given(st.dates(date(1, 1, 1)))
def test_iso_dates_stay_and_other_spellings_end_in_them(day):
    iso = day.isoformat()
    assert as_date(iso, None, None) == iso
    assert as_date(f"{day.day}.{day.month}.{day.year:04}", DateOrder.DMY, None) == iso
    assert as_date(f"{day.month}/{day.day}/{day.year:04}", DateOrder.MDY, None) == iso
    assert as_date(f"{day.day} {day:%b} {day.year:04}", None, None) == iso


@given(st.datetimes(_FROM, _TO, timezones=st.just(UTC)))
def test_a_local_time_that_is_one_ends_at_its_moment(moment):
    moment = moment.replace(microsecond=0)
    local = moment.astimezone(BERLIN)
    got = as_moment(f"{local:%Y-%m-%d %H:%M:%S}", None, BERLIN)
    if not local.fold:
        assert datetime.fromisoformat(got) == moment
        assert (
            compare("x", Kind("datetime"), got, f"{moment:%Y-%m-%dT%H:%M:%S}.000Z").match is not Match.DIFFERS
        )


# --- numbers ---


@pytest.mark.parametrize(
    ("text", "decimal", "wanted"),
    [
        ("1.234,56", None, "1234.56"),
        ("1,234.56", None, "1234.56"),
        ("1 234,56", None, "1234.56"),
        ("1\u202f234\u00a0567", None, "1234567"),
        ("1'234.50", None, "1234.50"),
        ("12,34,567.5", None, "1234567.5"),
        ("12,5", None, "12.5"),
        ("0,500", None, "0.500"),
        ("1,234", None, None),
        ("1,234", ".", "1234"),
        ("1,234", ",", "1.234"),
        ("1.234", None, "1.234"),
        ("1.234", ",", "1234"),
        ("1.5", ",", None),
        ("€ 1.200", ",", "1200"),
        ("$1,200.50", None, "1200.50"),
        ("-$5", None, "-5"),
        ("$-5", None, "-5"),
        ("(5 €)", None, "-5"),
        ("$5.00 USD", None, "5.00"),
        ("5EUR", None, "5"),
        ("12€50", None, None),
        ("1$234", None, None),
        ("(500)", None, "-500"),
        ("1\n234", None, None),  # two numbers
        ("100\t200", None, None),
        ("100\r\n200", None, None),
        ("\u2212500", None, "-500"),
        ("+5", None, "5"),
        (".5", None, "0.5"),
        ("50%", None, None),
        ("1e5", None, "100000"),
        ("1.5E-3", None, "0.0015"),
        ("1e400", None, None),
        ("NaN", None, None),
        ("inf", None, None),
        ("007", None, "007"),
        ("9007199254740993", None, "9007199254740993"),
        ("1.2.3", None, None),
        ("=cmd()", None, None),
        ("٣", None, None),
    ],
)
def test_a_number_is_read_where_it_is_one_number_and_else_refused(text, decimal, wanted):
    got = as_number(text, decimal)
    assert got == wanted or (wanted is None and got.category == "NUMBER")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("12.5", "12.5"),
        ("1.2345", "1.2345"),
        ("0.125", "0.125"),
        ("1.234e-07", "0.0000001234"),
        ("1.234,5", "1234.5"),
        ("1234", "1234"),
        ("1,5", "1.5"),
        ("1.234", None),
        ("-1.234", None),
        ("1.234.567", "1234567"),
    ],
)
def test_beside_texts_with_decimal_commas_a_number_of_the_format_stays_what_it_is(text, wanted):
    got = as_own_number(text, ",")
    assert got == wanted or (wanted is None and got.category == "NUMBER")
    assert as_own_number(text, None) == as_number(text, None)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**20), max_value=10**20))
def test_numbers_end_as_what_they_were_before_they_were_spelled(number):
    english = f"{number:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert Decimal(as_number(english, None)) == Decimal(as_number(german, None)) == number
    assert as_number(f"{number:f}", None) == f"{number:f}"
    assert Decimal(as_number(f"{number:e}", None)) == number
    held = f"{number:f}"
    assert compare("x", Kind("number"), as_number(german, None), held).match is not Match.DIFFERS


@given(st.integers(1, 999), st.integers(0, 999))
def test_a_lone_comma_before_three_digits_is_open_and_evidence_tells(left, right):
    text = f"{left},{right:03}"
    assert refused(as_number(text, None))
    assert marks_of(text) == {".", ","}
    assert marks_of(f"{text},000") == {"."}
    assert marks_of(f"{text[:-1]}") == {","}


# --- the rest ---


def test_of_a_checkbox_only_a_word_for_yes_or_no_stands_for_an_option():
    kinds = {"agreed": Kind("enumeration", is_checkbox=True)}

    def made(options, *texts):
        listed = tuple(Option(label, value) for label, value in options)
        convert_ = converter("agreed", "agreed", Schema({}, kinds=kinds, options={"agreed": listed}), Rules())
        return [None if refused(one := convert_(text)) else one for text in texts]

    assert made([("Opted in", "yes"), ("Opted out", "out")], "ja", "out", "x", "no") == [
        "yes",
        "out",
        None,
        None,
    ]
    assert made([("Yes", "a"), ("On", "b"), ("No", "c")], "on", "ja", "nein") == ["b", None, "c"]
    # Numbered, not spelled: 1 is no yes here.
    assert made([("No", "1"), ("Yes", "2")], "1", "ja", "nein") == ["1", "2", None]


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("vip", "TRUE", "true"),
        ("vip", "Ja", "true"),
        ("vip", "0", "false"),
        ("vip", "maybe", "BOOLEAN"),
        ("vip", "on", "false"),  # the account says what its labels mean
        ("tier", "gold", "gold"),
        ("tier", "Gold", "gold"),
        ("tier", "GOLD", "gold"),
        ("tier", "Old", "v2"),  # the label that people still see
        ("tier", "v1", "v1"),
        ("tier", "A", "x"),
        ("tier", "Silver", "SILVER"),
        ("tier", "old", "OPTION"),  # of two, in another case
        ("tier", "bronze", "OPTION"),
        ("likes", "hiking;music", "hiking;music"),
        ("likes", ";hiking", ";hiking"),
        ("likes", "; Hiking ; MUSIC; ", ";hiking;music"),
        ("likes", "Hiking, Music", "hiking;music"),
        ("likes", "Hiking|Music", "hiking;music"),
        ("likes", "Chess, fast", "chess"),
        ("likes", "Hiking, Golf", "OPTION"),
        ("likes", "hiking;golf", "OPTION"),
        ("likes", ";", "OPTION"),
        ("owner", "1", "1"),
        ("owner", "ANN@x.com", "1"),
        ("owner", "ann  lee", "1"),
        ("owner", "Lee, Ann", "1"),
        ("owner", "Dora Gone", "5"),
        ("owner", "Bob Stone", "OWNER"),
        ("owner", "91", "OWNER"),
        ("owner", "99", "OWNER"),
        ("owner", "nobody@x.com", "OWNER"),
    ],
)
def test_choices_booleans_and_owners(name, text, wanted):
    got = convert(name, text)
    assert got.category == wanted if refused(got) else got == wanted


def test_an_owner_map_goes_before_names_and_has_to_lead_to_somebody():
    rules = {"owner_map": {"Bob Stone": "bob@x.com", "X": "who@x.com"}}
    assert convert("owner", "bob stone", **rules) == "2"
    assert "--owner-map" in convert("owner", "X", **rules).reason


def test_an_owner_mapped_to_none_is_left_out_or_cleared_as_blanks_are():
    schema = Schema(labels={"email": "", "owner": ""}, kinds=SCHEMA.kinds, owned=SCHEMA.owned, owners=OWNERS)
    settings = {"owner_map": {"Gone": ""}}
    for rules, properties in (
        (Rules(**settings), {}),
        (Rules(**settings, cleared=frozenset({"owner"})), {"owner": ""}),
    ):
        columns = resolve_columns(["email", "owner"], rules, schema)
        for mapper, content in (
            (Mapper(0, rules, schema, columns), ["a@x.com", "gone"]),
            (Mapper(0, rules, schema, None), {"email": "a@x.com", "owner": "gone"}),
        ):
            mapped = mapper.map(0, [row(content)])[0]
            assert isinstance(mapped, Record)
            assert sent_properties(mapped) == properties


def test_where_owners_may_not_be_read_ids_pass_and_others_say_what_to_do():
    schema = Schema(labels=SCHEMA.labels, kinds=SCHEMA.kinds, owned=SCHEMA.owned)
    read = converter("owner", "owner", schema, Rules())
    assert read("123") == "123"
    assert "crm.objects.owners.read" in read("Ann Lee").reason


def test_a_page_of_owners_is_read_whatever_it_holds():
    page = {
        "results": [{"id": "7", "email": "A@x.com", "archived": True}, {"id": None}, 3],
        "paging": {"next": 1},
    }
    owners, after = decode_owners(page)
    assert (owners, after) == ([Owner("7", "A@x.com", archived=True)], "")


TEXTS = st.text() | st.text("0123456789.,-/: eE+TZ%()'€;|", max_size=20)


@given(TEXTS, st.sampled_from([None, *DateOrder]), st.sampled_from([None, BERLIN]))
def test_no_text_breaks_a_converter_and_what_is_converted_stays(text, order, zone):
    for read in (
        lambda t: as_date(t, order, zone),
        lambda t: as_moment(t, order, zone),
        lambda t: as_number(t, None),
    ):
        once = read(text)
        assert refused(once) or read(once) == once
    for name in ("vip", "tier", "likes", "owner"):
        once = convert(name, text)
        assert refused(once) or convert(name, once) == once
    orders_of(text)
    marks_of(text)


PROPERTIES = {p.name: p for p in properties_of(CONTACTS)}


@given(TEXTS, st.sampled_from(["renewal_date", "last_seen", "score"]))
def test_what_is_converted_is_taken_by_hubspot_and_compares_as_equal(text, name):
    property_ = PROPERTIES[name]
    schema = Schema(labels={name: ""}, kinds={name: Kind(property_.type)})
    value = converter(name, name, schema, Rules(timezones={"": "Europe/Berlin"}))(text.strip())
    if not refused(value) and value:
        held = property_.check(value)
        assert isinstance(held, str), held
        assert compare(name, schema.kinds[name], value, held).match is not Match.DIFFERS


# --- what a whole file tells ---

COLUMNS = ["email", "born", "score"]


def finder(rows, rules=None):
    rules = rules or Rules()
    mapper = Mapper(0, rules, SCHEMA, resolve_columns(COLUMNS, rules, SCHEMA))
    found = OrderFinder(mapper)
    for born, score in rows:
        found.feed(["a@x.com", born, score])
    return found


def found_orders(*rows_and_rules):
    return decide([finder(*rows_and_rules)], Rules()).date_orders


def found_decimals(rows):
    return decide([finder(rows)], Rules()).decimals


def test_one_row_decides_a_column_and_none_asks_with_the_row():
    assert found_orders([("12/05/2025", ""), ("31/05/2025", "")]) == {"born": DateOrder.DMY}
    assert found_orders([("2025-01-01", ""), ("5/5/2025", "")]) == {}
    with pytest.raises(MappingError, match=r'row 3.*--date-order "born=DMY"'):
        found_orders([("2025-01-01", ""), ("12/05/2025", "")])
    with pytest.raises(MappingError, match=r"row 2.*row 3|row 3.*row 2"):
        found_orders([("31/05/2025", ""), ("05/31/2025", "")])
    assert found_decimals([("", "1.234"), ("", "12,5")]) == {"score": ","}
    with pytest.raises(MappingError, match="--decimal"):
        found_decimals([("", "1.200"), ("", "3.400")])


def test_an_order_or_mark_that_is_given_is_not_inferred():
    rules = Rules(date_orders={"": DateOrder.DMY}, decimals={"score": "."})
    assert not finder([], rules)._mapper.needs_orders
    assert found_orders([("12/05/2025", "1,234")], rules) == {}
    assert decide([finder([("31/05/2025", "")])], Rules()).date_orders == {"born": "DMY"}


@given(st.lists(st.tuples(st.integers(1, 14), st.integers(1, 14)), max_size=6))
def test_orders_are_found_exactly_as_by_trying_both(pairs):
    texts = [f"{a}/{b}/2025" for a, b in pairs]

    def days(order):
        read = [as_date(text, order, None) for text in texts]
        return None if any(map(refused, read)) else read

    can = [
        text
        for text in texts
        if not (refused(as_date(text, DateOrder.DMY, None)) and refused(as_date(text, DateOrder.MDY, None)))
    ]
    texts = can
    both = {order: days(order) for order in (DateOrder.DMY, DateOrder.MDY)}
    fitting = [order for order, read in both.items() if read is not None]
    try:
        found = found_orders([(text, "") for text in texts]).get("born")
    except MappingError:
        assert len(fitting) == 0 or both[DateOrder.DMY] != both[DateOrder.MDY]
        assert len(fitting) != 1
    else:
        assert (found is None and both[DateOrder.DMY] == both[DateOrder.MDY]) or fitting == [found]


SEEN = ["email", "seen"]


def times_of(texts, **settings):
    schema = Schema(labels={"email": "", "seen": ""}, kinds={"seen": Kind("datetime")})
    rules = Rules(**settings)
    found = OrderFinder(Mapper(0, rules, schema, resolve_columns(SEEN, rules, schema)))
    for text in texts:
        found.feed(["a@x.com", text])
    return found


def test_a_column_of_times_without_zones_is_asked_for():
    with pytest.raises(MappingError, match=r'seen: .*row 3.*.*--timezone "seen=NAME"'):
        decide([times_of(["", "2025-01-31 10:00"])], Rules())
    with pytest.raises(MappingError, match="--timezone"):
        decide([times_of(["31/01/2025 10:00"], date_orders={"": DateOrder.DMY})], Rules())
    decide([times_of(["2025-01-31 10:00", "2025-01-31T10:00Z"])], Rules())  # a row's fault
    decide([times_of(["2025-01-31 10:00"]), times_of(["1738281600000"])], Rules())
    decide([times_of(["2025-01-31 10:00"], timezones={"seen": "UTC"})], Rules())
    decide([times_of(["never", ""])], Rules())


@given(TEXTS, st.sampled_from(DateOrder))
def test_a_time_lacks_a_zone_exactly_where_one_makes_it_a_time(text, order):
    with_none, with_one = as_moment(text, order, None), as_moment(text, order, UTC)
    wanted = None if refused(with_one) else refused(with_none)
    assert lacks_zone(text, order) is wanted


def test_all_that_is_asked_is_asked_at_once():
    with pytest.raises(MappingError) as asked:
        decide([times_of(["2025-01-31 10:00"]), finder([("12/05/2025", "1.200")])], Rules())
    assert len(asked.value.texts) == 3
    assert str(asked.value).startswith("3 problems: (1) seen: ")


# --- rows ---


def mapped(values, rules):
    header = ["email", "note", "born", "score"]
    return Mapper(0, rules, SCHEMA, resolve_columns(header, rules, SCHEMA)).map(0, [row(values)])[0]


def test_all_that_is_wrong_with_a_row_is_told():
    got = mapped(["nonsense", "a\0b", "31/31/2025", "x"], Rules())
    assert isinstance(got, Unsent)
    assert {fault.category for fault in got.faults} == {"EMAIL", "TEXT", "DATE", "NUMBER"}
    assert (got.category, got.reason) == (got.faults[0].category, got.faults[0].reason)
    assert {fault.column for fault in got.faults} == {"email", "note", "born", "score"}
    assert mapped(["", "", "", ""], Rules()).faults[0].category == "KEY"


def test_bad_values_are_left_out_where_that_is_said_and_the_key_never():
    got = mapped(["a@x.com", "z" * 65_537, "31/31/2025", "5"], Rules(drop_bad_values=True))
    assert isinstance(got, Record)
    assert sent_properties(got) == {"score": "5"}
    assert [fault.category for fault in got.dropped] == ["DATE", "TEXT"]
    assert isinstance(mapped(["nonsense", "", "", ""], Rules(drop_bad_values=True)), Unsent)
    twice_bad = mapped(["a@x.com", "", "z" * 65_537, ""], Rules(drop_bad_values=True))
    assert [fault.category for fault in twice_bad.dropped] == ["DATE"]


def test_blanks_clear_where_that_is_said_and_a_bad_value_does_not():
    rules = Rules(cleared=frozenset({"born", "score"}), drop_bad_values=True)
    assert sent_properties(mapped(["a@x.com", "", "", "x"], rules)) == {"born": ""}
    with pytest.raises(MappingError, match="--clear"):
        mapped(["a@x.com", "", "", ""], Rules(cleared=frozenset({"email"})))


def test_without_a_schema_nothing_is_converted():
    rules = Rules()
    got = Mapper(0, rules, None, resolve_columns(["email", "born"], rules, None)).map(
        0, [row(["a@x.com", "x"])]
    )[0]
    assert sent_properties(got) == {"born": "x"}


def test_only_leaves_all_other_columns_out():
    rules = Rules(only=frozenset({"email", "note"}))
    assert resolve_columns(["email", "note", "Whatever"], rules, SCHEMA).names == {0: "email", 1: "note"}


def test_a_reason_names_the_column_of_the_option_it_asks_for():
    rules = Rules(mapped={"Geboren": "born"})
    mapped = Mapper(0, rules, SCHEMA, None).map(0, [row({"email": "a@x.com", "Geboren": "02/03/2024"})])[0]
    assert isinstance(mapped, Unsent)
    assert '--date-order "Geboren=DMY"' in mapped.reason
