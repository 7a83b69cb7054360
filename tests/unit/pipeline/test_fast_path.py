"""The short way gives what the longer way gives, or nothing."""

import csv
import io
import json
from itertools import pairwise

import orjson
import pytest
from hypothesis import assume, example, given, settings, strategies as st
from multidict import CIMultiDict

from uploader.hubspot.fast_decoder import read_short
from uploader.hubspot.schema import Kind, Option, Schema
from uploader.hubspot.wire import decode, decode_short, encode_batch
from uploader.model.records import Pack, Record, closed_value, closed_values
from uploader.model.settlements import Delivered
from uploader.pipeline.batcher import Batcher
from uploader.pipeline.fast_path import Packer, confirm
from uploader.pipeline.reply_verdict import classify
from uploader.records.columns import Rules, resolve_columns
from uploader.records.mapper import Mapper
from uploader.records.values.email import are_plausible_emails, plausible_email
from uploader.sources.open import open_source
from uploader.storage.results_file import result_lines

_MAX_BYTES = 2**21
_KEYS = st.one_of(
    st.sampled_from(
        ["a@b.de", "A@B.de", " a@b.de", "", "x", "a@b", "a.@b.de", "a@b..de", "ä@b.de", "a@ß.de", "aΣ@b.de"]
    ),
    st.integers(0, 400).map("c{}@example.com".format),
    st.text(st.sampled_from("aA@. \t,\u00a0\u2003"), max_size=8),
)
_VALUES = st.one_of(
    st.sampled_from(
        ["", "x", "x ", "\u00a0x", 'say "so"', "a,b", "one\\two", "Kraków", '":', "a : b", "\x1f"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\x00"), max_size=6),
)
_ROWS = st.lists(st.tuples(_KEYS, _VALUES, _VALUES), min_size=1, max_size=30)
NAMES = ("email", "firstname", "lastname")


def plain_rows(tmp_path, rows, form, spaces=False, *, rules=None, schema=None):
    """A mapper, and the slices of a source of these rows."""
    path = tmp_path / f"rows.{form}"
    with path.open("w", encoding="utf-8", newline="") as file:
        if form == "csv":
            csv.writer(file, lineterminator="\n").writerows([NAMES, *rows])
        else:
            apart = (", ", ": ") if spaces else (",", ":")
            for row in rows:
                file.write(json.dumps(_fields(row), ensure_ascii=False, separators=apart) + "\n")
    source = open_source(str(path), format=form, delimiter="," if form == "csv" else None)
    rules = rules or Rules()
    columns = resolve_columns(source.shape.columns, rules, schema) if form == "csv" else None
    return Mapper(0, rules, schema, columns), list(source.slices())


def _fields(row):
    return dict(zip(NAMES, row, strict=True))


def packed(mapper, slices, max_records=3):
    """Of each slice: its first position, it, and what the packer makes of it the second time it looks."""
    packer, first = Packer(mapper, max_records, _MAX_BYTES), 0
    for slice_ in slices:
        if slice_.plain:
            packer.pack(first, slice_.plain)
            yield first, slice_, packer.pack(first, slice_.plain)
        first += len(slice_.rows)


@settings(max_examples=300)
@given(rows=_ROWS, form=st.sampled_from(["csv", "ndjson"]), spaces=st.booleans())
def test_packs_hold_what_the_mapper_makes_of_their_rows(tmp_path_factory, rows, form, spaces):
    assume(any(cell.strip() for row in rows for cell in row))
    mapper, slices = plain_rows(tmp_path_factory.mktemp("rows"), rows, form, spaces)
    for first, slice_, made in packed(mapper, slices):
        if made is None:
            continue
        packs, rest = made
        mapped = [mapper.map(first + index, row) for index, row in enumerate(slice_.rows)]
        positions = [position - first for pack in packs for position in pack.positions]
        assert sorted([*positions, *rest]) == list(range(len(mapped)))
        values = [value for pack in packs for value in pack.values]
        values += [mapped[i].values[0] for i in rest if isinstance(mapped[i], Record)]
        assert len(set(values)) == len(values)
        for pack in packs:
            records = [mapped[position - first] for position in pack.positions]
            assert pack.records() == records
            assert orjson.loads(pack.body) == orjson.loads(encode_batch(records))
            assert pack.keys == [record.key for record in records]
            assert [(value,) for value in pack.values] == [record.values for record in records]
            assert list(pack.numbers) == [record.row for record in records]


TYPED = Schema(
    labels=dict.fromkeys((*NAMES, "member_no"), ""),
    kinds={"firstname": Kind("date"), "lastname": Kind("enumeration"), "member_no": Kind("number")},
    unique=frozenset({"member_no"}),
    options={"lastname": (Option("Gold", "gold"), Option("Tin", "tin"))},
)
_DATES = st.sampled_from(["", "2025-12-31", "31.12.2025", "03/04/2025", "31.02.2025", "soon", " 2025-01-02 "])
_TIERS = st.sampled_from(["", "gold", "Gold", " TIN", "zinc"])


@settings(max_examples=200)
@given(
    rows=st.lists(st.tuples(_KEYS, _DATES, _TIERS), min_size=1, max_size=30),
    form=st.sampled_from(["csv", "ndjson"]),
    drops=st.booleans(),
)
def test_packs_hold_values_as_the_mapper_spells_them(tmp_path_factory, rows, form, drops):
    assume(any(cell.strip() for row in rows for cell in row))
    rules = Rules(drop_bad_values=drops)
    mapper, slices = plain_rows(tmp_path_factory.mktemp("rows"), rows, form, rules=rules, schema=TYPED)
    for first, slice_, made in packed(mapper, slices):
        packs, rest = made or ([], range(len(slice_.rows)))
        mapped = [mapper.map(first + index, row) for index, row in enumerate(slice_.rows)]
        positions = [position - first for pack in packs for position in pack.positions]
        assert sorted([*positions, *rest]) == list(range(len(mapped)))
        values = [value for pack in packs for value in pack.values]
        values += [mapped[i].values[0] for i in rest if isinstance(mapped[i], Record)]
        assert made is None or len(set(values)) == len(values)
        for pack in packs:
            records = [mapped[position - first] for position in pack.positions]
            assert not any(record.dropped for record in records)
            assert orjson.loads(pack.body) == orjson.loads(encode_batch(records))


def test_no_pack_overtakes_a_row_that_is_sent_without_its_bad_value(tmp_path):
    rows = [("C0@b.de", "soon", "Gold"), *((f"c{i}@b.de", "2025-12-31", "Tin") for i in range(6))]
    rules = Rules(drop_bad_values=True)
    mapper, slices = plain_rows(tmp_path, rows, "csv", rules=rules, schema=TYPED)
    assert isinstance(mapper.map(0, slices[0].rows[0]), Record)
    assert [made for _, _, made in packed(mapper, slices)] == [None]


@pytest.mark.parametrize("spelled", ["{:03}", "1,{:03}"])
def test_a_key_is_converted_as_the_mapper_does(tmp_path, spelled):
    rows = [(spelled.format(i), "2025-12-31", "Gold") for i in range(200)]
    rules = Rules(match=("member_no",), mapped={"email": "member_no"}, decimals={"": "."})
    mapper, slices = plain_rows(tmp_path, rows, "csv", rules=rules, schema=TYPED)
    for first, slice_, made in packed(mapper, slices, 100):
        records = [mapper.map(first + index, row) for index, row in enumerate(slice_.rows)]
        keys = [key for pack in made[0] for key in pack.keys]
        assert keys == [record.key for record in records]


@pytest.mark.parametrize("form", ["csv", "ndjson"])
@pytest.mark.parametrize("spaces", [False, True])
def test_plain_files_go_the_short_way_whole(tmp_path, form, spaces):
    rows = [(f"c{i}@example.com", f"Zoë {i} ", "Smith, Jones") for i in range(1_250)]
    mapper, slices = plain_rows(tmp_path, rows, form, spaces)
    made = [made for _, _, made in packed(mapper, slices, 100)]
    assert sum(len(pack.keys) for packs, _ in made for pack in packs) == 1_200
    assert sum(len(rest) for _, rest in made) == 50


def lines_of(tmp_path, *lines: str):
    path = tmp_path / "rows.ndjson"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return list(open_source(str(path)).slices())


@pytest.mark.parametrize(
    "line",
    [
        '{"email":"a@b.de","firstname":"x","firstname":"y"}',
        '{"email":"a@b.de","firstname":"","firstname":"y"}',
        '{"email":"a@b.de","firstname" :"x", "firstname":"y"}',
        '{"email":"a@b.de","firstname":7}',
        '{"email":"a@b.de","firstname":null}',
        '{"email":"a@b.de","nickname":"x"}',
        '{"email":"a@b.de","firstname":"\\ud800"}',
        '["a@b.de"]',
        "   ",
        '{"email":"a@b.de"',
        '{"id":"a@b.de","properties":{"firstname":"x"}}',
        '{"email":"a@b.de","firstname":"1"}{"email":"c@d.de","firstname":"2"}\n{"email":"e@f.de",\n"firstname":"3"}',
    ],
)
def test_lines_that_ask_for_a_closer_look_get_it(tmp_path, line):
    good = [f'{{"email":"c{i}@b.de","firstname":"F{i}"}}' for i in range(6)]
    slices = lines_of(tmp_path, *good, line)
    packer = Packer(Mapper(0, Rules(), None, None), 3, _MAX_BYTES)
    assert packer.pack(0, lines_of(tmp_path, *good)[0].plain) is None  # it learns the fields
    assert packer.pack(0, lines_of(tmp_path, *good)[0].plain) is not None
    assert slices[0].plain is None or packer.pack(0, slices[0].plain) is None


def test_a_line_break_in_a_line_hides_no_field_that_is_there_twice(tmp_path):
    """In a file whose lines end with a carriage return."""
    lines = ['{"email":"a@b.de","f"\n:"x","f":"y"}', *(f'{{"email":"c{i}@b.de","f":"q"}}' for i in range(5))]
    path = tmp_path / "rows.ndjson"
    path.write_text("\r".join([*lines, ""]), encoding="utf-8", newline="")
    (slice_,) = open_source(str(path), format="ndjson").slices()
    packer = Packer(Mapper(0, Rules(), None, None), 3, _MAX_BYTES)
    assert [packer.pack(0, slice_.plain) for _ in range(3)] == [None] * 3


@pytest.mark.parametrize("name", ['na"me', "na\\me", "na\x07me"])
def test_names_that_no_type_can_have_go_the_longer_way(tmp_path, name):
    rows = [{"email": f"c{i}@b.de", name: "x"} for i in range(6)]
    (slice_,) = lines_of(tmp_path, *map(json.dumps, rows))
    packer = Packer(Mapper(0, Rules(), None, None), 3, _MAX_BYTES)
    assert [packer.pack(0, slice_.plain) for _ in range(3)] == [None] * 3
    assert read_short(b'{"results":[]}', name) is None


def test_rows_with_ever_other_fields_are_not_learned_without_end(tmp_path):
    rows = [{"email": f"c{i}@b.de", **{f"f{i}.{j}": "x" for j in range(40)}} for i in range(50)]
    (slice_,) = lines_of(tmp_path, *map(json.dumps, rows))
    packer = Packer(Mapper(0, Rules(), None, None), 3, _MAX_BYTES)
    assert [packer.pack(0, slice_.plain) for _ in range(3)] == [None] * 3


def test_fields_that_can_not_be_sent_as_they_are_are_never_learned(tmp_path):
    schema = Schema({"email": "E-mail", "firstname": "First"}, frozenset({"firstname"}))
    rows = lines_of(tmp_path, *(f'{{"email":"c{i}@b.de","firstname":"F"}}' for i in range(6)))
    for mapper in (
        Mapper(0, Rules(), schema, None),
        Mapper(0, Rules(ignored=frozenset({"firstname"})), None, None),
        Mapper(0, Rules(), Schema({"email": "", "firstname": ""}, unique=frozenset({"firstname"})), None),
    ):
        packer = Packer(mapper, 3, _MAX_BYTES)
        assert [packer.pack(0, rows[0].plain) for _ in range(12)] == [None] * 12


def test_keys_twice_in_a_slice_go_the_longer_way(tmp_path):
    rows = [*((f"c{i}@b.de", "x", "y") for i in range(6)), ("C3@b.de", "x", "z")]
    mapper, slices = plain_rows(tmp_path, rows, "csv")
    assert [made for _, _, made in packed(mapper, slices)] == [None]


@given(st.lists(_KEYS, min_size=1, max_size=12))
@example(["a@b.de", "@b.de"])
@example(["a@b.de", "a@b.de@c.de", "b"])
def test_addresses_that_pass_at_once_pass_one_by_one(keys):
    if are_plausible_emails(keys):
        assert all(map(plausible_email, keys))


def test_plain_addresses_do_pass_at_once():
    assert are_plausible_emails([f"first.last{i}@sub.example.com" for i in range(100)])


@given(st.sampled_from(["email", "Ext_ID"]), st.lists(_KEYS | _VALUES, min_size=1, max_size=8))
def test_closed_values_are_those_of_each(name, keys):
    keys = [key.strip() for key in keys]
    assert closed_values(name, keys) == [closed_value(name, key) for key in keys]


# --- answers ---


def pack_of(tmp_path, count=4) -> Pack:
    rows = [(f"c{i}@example.com", "x", "y") for i in range(count)]
    mapper, slices = plain_rows(tmp_path, rows, "csv")
    ((_, _, made),) = packed(mapper, slices, count)
    return made[0][0]


_FIELDS = {
    "id": [None, "", 7, "101", "102", "103"],
    "new": [None, True, False],
    "objectWriteTraceId": [None, "0", "1", "2", "3", "9"],
    "key": [
        None,
        "c0@example.com",
        " C1@example.com",
        "c2@example.com",
        "c3@example.com",
        "other@example.com",
    ],
}
_RESULT = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in _FIELDS.items()})
_ANSWER = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["COMPLETE", "PENDING", "complete", None]),
        "changes": st.lists(st.tuples(st.integers(0, 3), _RESULT), max_size=2),
        "order": st.permutations(range(4)),
        "traced": st.booleans(),
        "left_out": st.integers(0, 1),
        "errors": st.sampled_from([None, [], [{"category": "X", "message": "no"}]]),
        "numErrors": st.sampled_from([None, 0, 1]),
    }
)


def body_of(answer) -> bytes:
    results = [
        {
            "id": f"10{i}",
            "new": bool(i % 2),
            "key": f"c{i}@example.com",
            "objectWriteTraceId": str(i) if answer["traced"] else None,
        }
        for i in range(4)
    ]
    for index, change in answer["changes"]:
        results[index] = change
    spelled = []
    for result in [results[i] for i in answer["order"]][answer["left_out"] :]:
        fields = {name: value for name, value in result.items() if value is not None and name != "key"}
        spelled.append({**fields, "properties": {"email": result["key"]} if result["key"] else {}})
    told = {name: answer[name] for name in ("status", "errors", "numErrors") if answer[name] is not None}
    return orjson.dumps({"results": spelled, **told})


@settings(max_examples=400)
@given(answer=_ANSWER)
def test_what_is_confirmed_at_once_is_confirmed_one_by_one(tmp_path_factory, answer):
    pack = pack_of(tmp_path_factory.mktemp("pack"))
    body = body_of(answer)
    reply = decode(200, CIMultiDict(), body)
    delivered = confirm(pack, reply)
    short = read_short(body, "email")
    if short is not None:
        assert confirm(pack, decode_short(CIMultiDict(), body, short)) == delivered
    if delivered is None:
        return
    verdict = classify(pack.records(), reply)
    assert not [*verdict.refused, *verdict.pending, *verdict.unresolved]
    told = {entry.record.position: (entry.hubspot_id, entry.new) for entry in verdict.confirmed}
    confirmed = zip(delivered.hubspot_ids, delivered.news, strict=True)
    assert told == dict(zip(pack.positions, confirmed, strict=True))


@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize(
    ("at", "change"),
    [(1, {"id": "100"}), (1, {"key": "c0@example.com"}), (0, {"key": "c1@example.com"})],
    ids=["one contact twice", "one key twice", "another record's key"],
)
def test_an_answer_that_contradicts_itself_is_not_confirmed_at_once(tmp_path, traced, at, change):
    """Whatever its trace ids say. What shows no key but a trace id is sound."""
    body = body_of({"changes": [], "order": range(4), "left_out": 0, "traced": traced, **_CLEAN})
    answer = orjson.loads(body)
    one = answer["results"][at]
    one |= {"properties": {"email": change["key"]}} if "key" in change else change
    assert confirm(pack_of(tmp_path), decode(200, CIMultiDict(), orjson.dumps(answer))) is None
    for result in answer["results"] if traced else ():
        result |= {"properties": {}, "id": result["objectWriteTraceId"] + "7"}
    assert (
        confirm(pack_of(tmp_path), decode(200, CIMultiDict(), orjson.dumps(answer))) is not None
    ) is traced


def test_an_answer_that_is_no_text_confirms_nothing(tmp_path):
    body = body_of({"changes": [], "order": range(4), "left_out": 0, "traced": True, **_CLEAN})
    broken = body.replace(b'{"email":"c0@example.com"}', b'{"email":"c0@example.com","x":"\xff"}')
    assert broken != body
    assert confirm(pack_of(tmp_path), decode(200, CIMultiDict(), broken)) is None


_CLEAN = {"status": "COMPLETE", "errors": None, "numErrors": 0}


@pytest.mark.parametrize("traced", [True, False])
def test_a_sound_answer_is_confirmed_at_once_in_any_order(tmp_path, traced):
    answer = {
        "status": "COMPLETE",
        "changes": [],
        "order": [2, 0, 3, 1],
        "traced": traced,
        "left_out": 0,
        "errors": None,
        "numErrors": 0,
    }
    delivered = confirm(pack_of(tmp_path), decode(200, CIMultiDict(), body_of(answer)))
    assert delivered is not None
    assert delivered.hubspot_ids == ["100", "101", "102", "103"]
    assert delivered.news == [False, True, False, True]


@given(
    st.lists(st.tuples(_KEYS | _VALUES, _VALUES, st.booleans()), min_size=1, max_size=5),
    st.sampled_from(["a.csv", "my, file.csv", 'say "so".csv']),
    st.booleans(),
)
def test_lines_of_results_are_a_csv_writers(rows, source, notes):
    keys, ids, news = (list(column) for column in zip(*rows, strict=True))
    pack = Pack(range(len(keys)), range(2, len(keys) + 2), 0, "email", keys, keys, b"", 0, list)
    text = io.StringIO()
    outcomes = ["created" if new else "updated" for new in news]
    empty = [("",) * notes] * len(keys)
    csv.writer(text, lineterminator="\n").writerows(
        (*cells, *note)
        for *cells, note in zip(pack.numbers, keys, ids, outcomes, [source] * len(keys), empty, strict=True)
    )
    assert result_lines(Delivered(pack, ids, news), source, notes=notes) == text.getvalue()


# --- packs among records ---


@settings(max_examples=300)
@given(data=st.data())
def test_no_record_leaves_before_an_earlier_one_of_its_contact_is_settled(tmp_path_factory, data):
    """Slices of few keys, so that packs meet what is open; some packs are taken apart in flight."""
    batcher, open_, in_flight = Batcher(3), {}, []
    position = 0
    for _ in range(data.draw(st.integers(1, 6))):
        keys = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=7))
        rows = [(f"c{key}@example.com", "x", "y") for key in keys]
        mapper, slices = plain_rows(tmp_path_factory.mktemp("rows"), rows, "csv")
        for slice_ in slices:
            made = Packer(mapper, 3, _MAX_BYTES).pack(position, slice_.plain) or ([], range(len(keys)))
            records = [mapper.map(position + index, slice_.rows[index]) for index in made[1]]
            batcher.add_all(records, made[0])
            open_ |= {position + index: f"email={row[0]}" for index, row in enumerate(rows)}
            position += len(rows)
        for _ in range(data.draw(st.integers(0, 4))):
            _step(batcher, open_, in_flight, data.draw(st.sampled_from(["draw", "settle", "unpack"])))
    while open_:
        before = len(open_), len(in_flight)
        _step(batcher, open_, in_flight, "draw")
        _step(batcher, open_, in_flight, "settle")
        assert (len(open_), len(in_flight)) != before
    assert (batcher.open_records, batcher.open_bytes, batcher.held_back, batcher.ready) == (0, 0, 0, 0)
    assert not batcher.may_be_lost()


def test_leftovers_of_packs_are_sent_in_company_but_not_kept_waiting_for_ever(tmp_path):
    batcher, drawn = Batcher(100), []
    for number in range(40):
        rows = [(f"c{number}.{i}@example.com", "x", "y") for i in range(401)]
        mapper, slices = plain_rows(tmp_path, rows, "csv")
        first = number * 401
        for slice_ in slices:
            packs, rest = Packer(mapper, 100, _MAX_BYTES).pack(first, slice_.plain)
            batcher.add_all([mapper.map(first + i, slice_.rows[i]) for i in rest], packs)
            first += len(slice_.rows)
        while batcher.ready >= 100 and (batch := batcher.draw()):
            drawn.append(batch.positions if isinstance(batch, Pack) else [r.position for r in batch])
    assert len(drawn) <= 40 * 4 + 4
    assert all(after[0] - before[0] > -6_000 for before, after in pairwise(drawn))


def _step(batcher, open_, in_flight, what) -> None:
    if what == "draw" and (batch := batcher.draw()):
        positions = list(batch.positions if isinstance(batch, Pack) else [r.position for r in batch])
        for one in positions:
            assert not [p for p, value in open_.items() if p < one and value == open_[one]]
        in_flight.append((batch, positions))
    elif what == "unpack" and in_flight and isinstance(in_flight[-1][0], Pack):
        pack, positions = in_flight.pop()
        in_flight.append((batcher.unpack(pack), positions))
    elif what == "settle" and in_flight:
        batch, positions = in_flight.pop(0)
        if isinstance(batch, Pack):
            batcher.settle_pack(batch)
        else:
            for record in batch:
                batcher.settle(record)
        for one in positions:
            del open_[one]
