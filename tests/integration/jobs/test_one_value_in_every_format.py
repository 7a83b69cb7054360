"""One table in every format becomes the same inputs, or is refused in all of them."""

import csv
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st
from openpyxl.cell import WriteOnlyCell

from uploader.hubspot.account import Account
from uploader.hubspot.requests import sent_properties
from uploader.hubspot.schema import Schema
from uploader.jobs.column_rules import resolve_mappers
from uploader.jobs.scans.formats import Orders
from uploader.mockserver.account.default_properties import properties_of
from uploader.mockserver.account.object_types import CONTACTS
from uploader.mockserver.account.properties import Catalogue
from uploader.model.records import Record
from uploader.settings import Settings
from uploader.sources.open import open_program_rows, open_source
from uploader.sources.python_rows import ProgramRows

#: Of every type: text, number, date, date-time, boolean, options, several options, telephone.
COLUMNS = ("firstname", "score", "renewal_date", "last_seen", "vip", "tier", "interests", "whatsapp")
KEY = "external_id"
SCHEMA = Schema.decode({"results": Catalogue(properties_of(CONTACTS)).definitions("non_sensitive")})
BERLIN = ZoneInfo("Europe/Berlin")
#: Floats of these sizes have a text without an exponent.
LEAST, MOST = 1e-50, 1e50

WORDS = st.sampled_from(
    ["gold", "Gold", "hiking", "yes", "no", "true", "1", "0012", "+49 30 1", "1.5", "2025-03-05", "NULL", "-"]
)
TEXT = WORDS | st.text(st.characters(codec="utf-8", categories=["L", "N", "S"]), min_size=1, max_size=8)
WHOLE = st.integers(-5, 50) | st.integers(-(2**62), 2**62) | st.sampled_from([0, 20251231, 2**53 + 1])
FLOATS = st.floats(LEAST, MOST) | st.floats(-MOST, -LEAST) | st.sampled_from([0.0, -0.0, 0.1, 1e22, 12.0])
#: Of two places, as the Parquet column has them. Excel and floats know no zeros at the end.
CENTS = st.integers(-(10**12), 10**12).filter(lambda cents: cents % 100 == 0 or cents % 10)
FROM, TO = datetime.fromisoformat("1971-01-01"), datetime.fromisoformat("2099-01-01")
LOCAL_TIMES = st.datetimes(FROM, TO)
TIMES = st.datetimes(FROM, TO, timezones=st.sampled_from([UTC, BERLIN]))
KINDS = {
    "text": TEXT,
    "choice": st.sampled_from(["gold", "Silver", "BRONZE"]),
    "whole": WHOLE,
    "float": FLOATS | st.integers(-99, 99).map(float),
    "decimal": CENTS.map(lambda cents: Decimal(cents) / 100),
    "date": st.dates(date(1901, 1, 1), date(2199, 1, 1)),
    # Not midnight: a cell of Excel does not tell a day from its midnight.
    "local time": LOCAL_TIMES.map(lambda moment: moment.replace(second=moment.second | 1, microsecond=0)),
    "time": TIMES.map(lambda moment: moment.replace(microsecond=0)),
    "boolean": st.booleans(),
    "texts": st.lists(st.sampled_from(["hiking", "Chess", "music", "golf", "a b", ""]), max_size=3),
    "numbers": st.lists(st.integers(0, 99), max_size=3),
}
ARROW = {
    "text": pa.string(),
    "choice": pa.string(),
    "whole": pa.int64(),
    "float": pa.float64(),
    "decimal": pa.decimal128(20, 2),
    "date": pa.date32(),
    "local time": pa.timestamp("ms"),
    "time": pa.timestamp("us", "UTC"),
    "boolean": pa.bool_(),
    "texts": pa.list_(pa.string()),
    "numbers": pa.list_(pa.int64()),
}
#: The kinds that are likelier than all others for a column, so that not all rows are refused.
FITTING = {
    "score": "float",
    "renewal_date": "date",
    "last_seen": "time",
    "vip": "boolean",
    "tier": "choice",
    "interests": "texts",
}


@st.composite
def tables(draw):
    """Kinds by column, and rows."""
    kinds = {KEY: draw(st.sampled_from(["text", "whole", "float", "decimal"]))}
    for name in draw(st.lists(st.sampled_from(COLUMNS), unique=True, min_size=1)):
        any_kind = draw(st.sampled_from(list(KINDS)))
        kinds[name] = draw(st.sampled_from([any_kind, *[FITTING.get(name, any_kind)] * 3]))
    row = st.fixed_dictionaries({name: st.none() | KINDS[kind] for name, kind in kinds.items()})
    rows = [{**one, KEY: draw(KINDS[kinds[KEY]])} for one in draw(st.lists(row, min_size=1, max_size=6))]
    return kinds, [{name: one[name] for name in kinds} for one in rows]


def plain(value):
    """What a person types into a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ";".join(plain(one) for one in value if one != "")
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, float | Decimal):
        text = format(Decimal(repr(value)) if isinstance(value, float) else value, "f")
        whole, _, part = text.partition(".")
        return text if part.strip("0") else whole.replace("-0", "0") if whole == "-0" else whole
    return value.isoformat() if isinstance(value, date) else str(value)


def literal(value, notation):
    """The value in JSON. `notation`: of whole numbers."""
    if isinstance(value, list):
        return f"[{','.join(literal(one, notation) for one in value)}]"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value}{notation}"
    if isinstance(value, float | Decimal):
        return repr(value) if isinstance(value, float) else f"{value:f}"
    return json.dumps(plain(value) if isinstance(value, date) else value, ensure_ascii=False)


def objects(rows, notation):
    return [
        "{" + ",".join(f"{json.dumps(n)}:{literal(v, notation)}" for n, v in row.items()) + "}"
        for row in rows
    ]


def write_csv(path, kinds, rows, notation):
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(kinds)
        lines.writerows(map(plain, row.values()) for row in rows)


def write_ndjson(path, kinds, rows, notation):
    path.write_text("\n".join(objects(rows, notation)), encoding="utf-8")


def write_json(path, kinds, rows, notation):
    path.write_text("[" + ",\n".join(objects(rows, notation)) + "]", encoding="utf-8")


def write_parquet(path, kinds, rows, notation):
    columns = {name: pa.array([row[name] for row in rows], ARROW[kind]) for name, kind in kinds.items()}
    pq.write_table(pa.table(columns), path)


def native(value):
    """What a cell of Excel can hold: no lists, zones, or digits beyond the sixteenth."""
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    is_long = is_number and Decimal(f"{value:.16g}") != Decimal(str(value))
    return plain(value) if isinstance(value, list) or getattr(value, "tzinfo", None) or is_long else value


def write_xlsx(path, kinds, rows, notation):
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(list(kinds))
    for row in rows:
        cells = [WriteOnlyCell(sheet, value=native(value)) for value in row.values()]
        for cell in cells:
            if isinstance(cell.value, str):
                cell.data_type = "s"  # neither a formula nor an error, whatever it looks like
        sheet.append(cells)
    book.save(path)


FILES = {
    "csv": write_csv,
    "ndjson": write_ndjson,
    "json": write_json,
    "parquet": write_parquet,
    "xlsx": write_xlsx,
}


def inputs_of(source):
    """Of each row, the key and the properties that are sent; None if it is refused."""
    said = {"token": "x", "sources": ("x",), "match": (KEY,), "timezones": {"": "Europe/Berlin"}}
    account = Account(schema=SCHEMA)
    (mapper,) = resolve_mappers(Settings(**said), [source], account)
    orders = Orders([source], [mapper])
    if orders.are_needed:
        list(orders.steps())
        rules, _ = orders.decided_leniently(mapper.rules)
        found = Settings(**said, date_orders=rules.date_orders, decimals=rules.decimals)
        (mapper,) = resolve_mappers(found, [source], account)
    rows = [row for part in source.slices() for row in part.rows]
    mapped = mapper.map(0, rows)
    return [(one.key, sent_properties(one)) if isinstance(one, Record) else None for one in mapped]


@settings(max_examples=500 if settings.default.max_examples > 100 else 50)
@given(table=tables(), notation=st.sampled_from(["", ".0", ".00", "e0", "E+0"]))
def test_one_table_is_the_same_inputs_in_every_format(tmp_path_factory, table, notation):
    kinds, rows = table
    folder = tmp_path_factory.mktemp("t")
    found = {"rows": inputs_of(open_program_rows(ProgramRows(rows, "rows")))}
    for name, write in FILES.items():
        path = folder / f"table.{name}"
        write(path, kinds, rows, notation)
        found[name] = inputs_of(open_source(str(path)))
    wanted = found.pop("csv")
    for name, inputs in found.items():
        assert inputs == wanted, name


@pytest.mark.parametrize("name", [*FILES, "rows"])
def test_a_number_and_a_list_mean_the_same_in_every_format(tmp_path, name):
    kinds = {KEY: "float", "firstname": "whole", "score": "decimal", "interests": "texts"}
    rows = [
        {KEY: 12.0, "firstname": 2**53 + 1, "score": Decimal("1.50"), "interests": ["hiking", "chess"]},
        {KEY: 1e3, "firstname": 7, "score": Decimal("12.00"), "interests": []},
    ]
    if name == "rows":
        source = open_program_rows(ProgramRows(rows, "rows"))
    else:
        FILES[name](tmp_path / "t", kinds, rows, ".0")
        source = open_source(str(tmp_path / "t"))
    (key, first), second = inputs_of(source)
    assert (key, first["firstname"], first["interests"]) == ("12", str(2**53 + 1), "hiking;chess")
    assert Decimal(first["score"]) == Decimal("1.5")
    assert second == ("1000", {"firstname": "7", "score": "12"})
