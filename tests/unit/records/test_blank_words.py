"""A cell that holds a blank word is a blank cell in every respect."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from support.builders import row
from uploader.errors import SettingsError
from uploader.hubspot.requests import sent_properties
from uploader.hubspot.schema import Schema
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, Unsent
from uploader.model.rows import PartlyReadable, Row
from uploader.records.blank_words import words_of
from uploader.records.columns import MappingError, Rules, refuse_unknown, resolve_columns
from uploader.records.format_inference import OrderFinder
from uploader.records.mapper import Mapper
from uploader.settings import Settings

NAMES = ("email", "external_id", "firstname", "city", "GDPR Consent", "Notes", "uploader_superseded")
SCHEMA = Schema(
    labels={name: name for name in NAMES[:4]} | {"renewal_date": "Renewal"}, unique=frozenset({"external_id"})
)
#: In every way that a row can be judged by a blank.
RULES = Rules(
    match=("email", "external_id"),
    ignored=frozenset({"Notes"}),
    cleared=frozenset({"city"}),
    suppress_where={"GDPR Consent": ("no",), "Notes": ("stop",)},
)
WORDS = {"": ("n/a", "-"), "email": ("None@none.com",), "Notes": ()}
TEXTS = st.sampled_from(["a@x.com", "none@none.com", " N/A", "-", "7", "Ann", "yes", "no", "stop", ""])


def judged(mapped):
    """What becomes of a row, without its own bytes and the words of a reason."""
    if isinstance(mapped, Record):
        return mapped.id_property, mapped.key, mapped.lock_keys, str(mapped.properties), mapped.dropped
    return mapped.outcome, mapped.category, mapped.key, mapped.lock_keys


def with_blanks(cells):
    """The row as somebody would have cleaned it."""
    return {
        name: "" if text.strip().lower() in words_of(name, WORDS) else text for name, text in cells.items()
    }


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, TEXTS)), min_size=1, max_size=6))
def test_a_row_with_blank_words_is_the_row_with_blank_cells(rows):
    header = [*NAMES, "column 8"]
    columns = resolve_columns(header, RULES, SCHEMA)
    with_words = Mapper(0, replace(RULES, blank_values=WORDS), SCHEMA, columns)
    without = Mapper(0, RULES, SCHEMA, columns)
    given_cells = [row([*map(one.get, NAMES), "n/a"]) for one in rows]
    clean_cells = [row([*map(with_blanks(one).get, NAMES), ""]) for one in rows]
    assert list(map(judged, with_words.map(0, given_cells))) == list(map(judged, without.map(0, clean_cells)))


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, TEXTS)), min_size=1, max_size=6), st.booleans())
def test_it_is_so_for_rows_that_name_their_fields_and_for_inputs_of_the_api(rows, is_input):
    with_words = Mapper(0, replace(RULES, blank_values=WORDS), SCHEMA, None)
    without = Mapper(0, RULES, SCHEMA, None)

    def content(fields):
        return {"id": fields["email"], "properties": fields} if is_input else fields

    assert list(map(judged, with_words.map(0, [row(content(one)) for one in rows]))) == list(
        map(judged, without.map(0, [row(content(with_blanks(one))) for one in rows]))
    )


def written(content, words, **more):
    return sent_properties(mapped(content, words, **more))


def mapped(content, words, raw=b"raw", **rules):
    header = list(content) if isinstance(content, dict) else ["email", "city"]
    rules = Rules(blank_values=words, **rules)
    columns = None if isinstance(content, dict) else resolve_columns(header, rules, SCHEMA)
    return Mapper(0, rules, SCHEMA, columns).map(0, [Row(2, raw, content)])[0]


def test_a_number_of_json_is_compared_as_it_is_spelled():
    assert written({"email": "a@x.com", "city": 0}, {"city": ("0",)}) == {}
    assert written({"email": "a@x.com", "city": 0}, {"firstname": ("0",)}) == {"city": "0"}


def test_a_wrapping_and_invisible_characters_do_not_hide_a_word():
    cells, raw = ["a@x.com", '="N/A"\u200b'], 'a@x.com,"=""N/A"""\u200b'.encode()
    assert written(cells, {"": ("n/a",)}, raw=raw) == {}


def test_only_a_whole_text_is_a_word():
    assert written(["a@x.com", "n/a or so"], {"": ("n/a",)}) == {"city": "n/a or so"}


def test_a_cell_that_cannot_be_read_is_no_blank_beside_one_that_is():
    content = PartlyReadable("column 2 cannot be read", ["NONE", ""], {1: "cannot be read"})
    found = mapped(content, {"": ("none",)})
    assert isinstance(found, Unsent)
    assert [fault.category for fault in found.faults] == ["KEY", "CELL"]


def test_a_row_without_key_names_the_blank_words():
    found = mapped(["none@none.com", "Ulm"], {"email": ("none@none.com",)})
    assert (found.outcome, found.key) == (Outcome.INVALID, "")
    assert found.reason == "no email: blank, or a word of --blank-value"


def test_dates_are_inferred_without_blank_words():
    rules = Rules(blank_values={"": ("31.12.9999",)})
    schema = Schema.decode(
        {"results": [{"name": name, "label": name, "type": kind} for name, kind in
                     (("email", "string"), ("renewal_date", "date"))]}
    )  # fmt: skip
    mapper = Mapper(0, rules, schema, resolve_columns(["email", "renewal_date"], rules, schema))
    finder = OrderFinder(mapper)
    for one in mapper.read([row(["a@x.com", "31.12.9999"]), row(["b@x.com", "01.02.2025"])]):
        finder.feed(one.content)
    ((_, evidence, _),) = finder.evidence()
    assert not evidence.rows


def test_a_word_of_a_column_that_does_not_exist_is_refused():
    with pytest.raises(MappingError, match="--blank-value: there is no column 'Fax'"):
        refuse_unknown(Rules(blank_values={"Fax": ("0",), "": ("-",)}), ["email"])


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ({"": ("unknown",)}, {"Status": ("Unknown",)}),
        ({"Opted out": ("x", "1")}, {"Opted out": ()}),
        ({"Consent": ("out",)}, {"Consent": ("out",)}),
    ],
)
def test_a_blank_word_that_suppresses_rows_is_refused(words, where):
    with pytest.raises(SettingsError, match="remove one of them"):
        Settings(sources=("a.csv",), token="t", blank_values=words, suppress_where=where)


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ({"": ("unknown",)}, {"Opted out": ()}),
        ({"": ("n/a",)}, {"Opted out": ("*",)}),
        ({"": ("no", "n/a")}, {"GDPR Consent": ("no",)}),
        ({"": ("unknown",), "Status": ()}, {"Status": ("Unknown",)}),
    ],
)
def test_a_blank_word_that_suppresses_no_row_is_taken(words, where):
    assert Settings(sources=("a.csv",), token="t", blank_values=words, suppress_where=where)


def test_a_word_of_all_columns_that_names_a_column_is_refused_with_what_to_write():
    entry = 'write "Tel" = { property = "PROPERTY", blank_values = ["-"] }'
    with pytest.raises(MappingError, match=re.escape(entry)):
        refuse_unknown(Rules(blank_values={"": ("n/a", " Tel =-")}), ["email", "Tel"])
    refuse_unknown(Rules(blank_values={"": ("a=b", "=-"), "Tel": ("Tel=-",)}), ["email", "Tel"])
