"""What the survey says is what the mapper says of every row, one by one."""

from hypothesis import given, strategies as st

from uploader.hubspot.schema import Kind, Option, Schema
from uploader.jobs.scans.row_findings import Findings, Surveyor
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, Unsent
from uploader.model.rows import Mark, Row, RowSlice
from uploader.records.columns import Rules, resolve_columns
from uploader.records.duplicates import OnDuplicate, key_of
from uploader.records.mapper import Mapper

SCHEMA = Schema(
    labels={"email": "Email", "external_id": "External", "note": "Note", "tier": "Tier", "score": "Score"},
    unique=frozenset({"external_id"}),
    kinds={
        "email": Kind("string"),
        "external_id": Kind("string"),
        "note": Kind("string"),
        "tier": Kind("enumeration"),
        "score": Kind("number"),
    },
    options={"tier": (Option("Gold", "gold"), Option("Silver", "silver"))},
)
ADDRESS = st.sampled_from(["a@x.com", "B@x.com", " b@x.com ", "nope", "", "a@x", "ü@x.com"])
CELLS = {
    "email": ADDRESS,
    "external_id": st.sampled_from(["", "k1", "K1", "k2", " "]),
    "note": st.sampled_from(["", "hello", "x" * 40_000, "a\0b", " "]),
    "tier": st.sampled_from(["", "gold", "Gold", "platinum"]),
    "score": st.sampled_from(["", "1", "1.5", "many"]),
    "column 6": st.sampled_from(["", "", " ", "stray"]),
    "uploader_superseded": st.sampled_from(["", "", "9"]),
}
HEADER = tuple(CELLS)
TABLES = st.lists(st.lists(st.tuples(*CELLS.values()).map(list), min_size=1, max_size=8), max_size=5)


def slices_of(tables):
    """One slice a table; every row one line."""
    number = 2
    for table in tables:
        raws = [",".join(cells).encode() for cells in table]
        rows = [Row(number + i, raw, cells) for i, (raw, cells) in enumerate(zip(raws, table, strict=True))]
        yield RowSlice(rows, Mark(0, number), Mark(sum(map(len, raws)), number + len(rows)))
        number += len(rows)


def surveyed(mapper, slices):
    findings, keyed, position = Findings(1_000), [], 0
    surveyor = Surveyor(mapper, findings)
    for rows in slices:
        keyed += list(zip(*surveyor.look(position, rows), strict=True))
        position += len(rows.rows)
    return findings, keyed


def check_against_the_mapper(mapper, slices):
    findings, keyed = surveyed(mapper, slices)
    mapped = [mapper.map(at, [row])[0] for at, row in enumerate(row for rows in slices for row in rows.rows)]
    assert findings.rows == len(mapped)
    assert findings.sendable == sum(isinstance(one, Record) for one in mapped)
    unsent = [one for one in mapped if not isinstance(one, Record)]
    invalid = [one for one in unsent if one.outcome is Outcome.INVALID]
    assert findings.invalid == len(invalid)
    assert findings.skipped == len(unsent) - len(invalid)
    assert {e.row for group in findings.faults.values() for e in group.examples} == {u.row for u in invalid}
    keys = [(key_of(one, OnDuplicate.IN_ORDER), one.position, one.row) for one in mapped]
    wanted = [entry for entry in keys if entry[0] is not None]
    assert keyed == wanted


@given(TABLES, st.sampled_from(["email", "external_id"]))
def test_a_survey_of_cells_says_what_the_mapper_says_row_by_row(tables, key):
    rules = Rules(id_property=key)
    mapper = Mapper(0, rules, SCHEMA, resolve_columns(HEADER, rules, SCHEMA))
    check_against_the_mapper(mapper, list(slices_of(tables)))


@given(TABLES, st.sampled_from([("email", "external_id"), ("external_id", "email")]))
def test_rows_without_a_key_count_for_a_property_if_matching_by_it_too_gives_them_a_key(tables, match):
    def mapper(match):
        rules = Rules(id_property=match[0], match=match)
        return Mapper(0, rules, SCHEMA, resolve_columns(HEADER, rules, SCHEMA))

    slices = list(slices_of(tables))
    rows = [row for one in slices for row in one.rows]
    mapped, wider = mapper(match[:1]).map(0, rows), mapper(match).map(0, rows)
    gained = [
        after
        for before, after in zip(mapped, wider, strict=True)
        if isinstance(before, Unsent) and before.outcome is Outcome.INVALID and not before.key and after.key
        if isinstance(after, Record) or match[1] not in {fault.column for fault in after.faults}
    ]
    findings, _ = surveyed(mapper(match[:1]), slices)
    assert findings.other_keys[match[1]] == len(gained)


VALUES = st.one_of(
    st.sampled_from(["", "gold", "a@x.com", "1", "x" * 300]),
    st.none(),
    st.booleans(),
    st.lists(st.just(1), max_size=1),
)
FIELDS = st.dictionaries(
    st.sampled_from(["email", "note", "Note", "tier", "score", "nobody", "uploader_row", "properties"]),
    VALUES,
    max_size=4,
)


@given(
    st.lists(st.lists(st.tuples(ADDRESS, FIELDS), min_size=1, max_size=6), max_size=4),
    st.sampled_from(["email", "score"]),
)
def test_a_survey_of_fields_says_what_the_mapper_says_row_by_row(tables, key):
    slices, number = [], 1
    for table in tables:
        contents = [{**fields, "email": address} for address, fields in table]
        rows = [Row(number + index, b"raw", content) for index, content in enumerate(contents)]
        slices.append(RowSlice(rows, Mark(0, number), Mark(9, number + len(rows))))
        number += len(rows)
    check_against_the_mapper(Mapper(0, Rules(id_property=key), SCHEMA, None), slices)


def test_owners_that_are_known_are_counted_to_the_end_however_many_others_there_are():
    schema = Schema(
        labels={"email": "", "owner": ""},
        kinds={"email": Kind("string"), "owner": Kind("enumeration")},
        owned=frozenset({"owner"}),
    )
    rules = Rules(translations={"owner": {"annie": "Ann"}})
    mapper = Mapper(0, rules, schema, resolve_columns(["email", "owner"], rules, schema))
    first = [["a@x.com", "Ann"], *(["a@x.com", f"owner {number}"] for number in range(3_000))]
    findings, _ = surveyed(mapper, slices_of([first, [["a@x.com", "Annie"], ["a@x.com", "new"]]]))
    assert len(findings.owners["owner"]) == 3_001
    assert findings.owners["owner"]["Ann"] == 2


def test_columns_that_are_not_used_are_counted_in_the_first_rows(monkeypatch):
    monkeypatch.setattr("uploader.jobs.scans.row_findings._MOST_UNUSED_ROWS", 4)
    table = [["a@x.com", f"n{number}"] for number in range(4)]
    mapper = Mapper(
        0,
        Rules(ignored=frozenset({"Own"})),
        SCHEMA,
        resolve_columns(("email", "Own"), Rules(ignored=frozenset({"Own"})), SCHEMA),
    )
    for counted, cells in (((), None), (("Own",), 4)):
        findings = Findings()
        surveyor = Surveyor(mapper, findings, counted=counted)
        for rows in slices_of([table, table, table]):
            surveyor.look(0, rows)
        assert findings.columns[0, "email"].cells == 12
        own = findings.columns.get((0, "Own"))
        assert own is None if cells is None else (own.cells, own.distinct, own.is_exact) == (4, 4, False)
    unmapped = Findings()
    for rows in slices_of([table, table, table]):
        unmapped.count(0, ("email", "Own"), rows)
    own = unmapped.columns[0, "Own"]
    assert (unmapped.rows, own.cells, own.filled, own.distinct, own.is_exact) == (12, 4, 4, 4, False)


def test_short_ids_of_salesforce_are_remarked_on_where_they_are_keys():
    rules = Rules()
    mapper = Mapper(0, rules, SCHEMA, resolve_columns(HEADER, rules, SCHEMA))
    ids = ["0035g0000000w7E", "0035g0000000W7e", "0035g0000000w7eAAQ", "123456789012345", "abcdefghijklmno"]
    tables = [[[f"a{at}@x.com", id_, id_, "", "", "", ""] for at, id_ in enumerate(ids)]]
    findings, _ = surveyed(mapper, slices_of(tables))
    ((place, group),) = findings.remarks.items()
    assert (place, group.count) == (("SHORT_ID", "external_id"), 2)
    assert "export ids of 18 characters" in group.examples[0].reason
