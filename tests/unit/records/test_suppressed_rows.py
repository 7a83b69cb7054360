"""Rows that say "opted out": by which columns and words, and with which addresses."""

import pytest
from hypothesis import given, strategies as st

from uploader.errors import SettingsError
from uploader.hubspot.schema import Schema
from uploader.model.outcomes import Outcome
from uploader.model.records import Unsent
from uploader.model.rows import PartlyReadable, Row
from uploader.records.columns import LIST, SKIP, MappingError, Rules, refuse_unknown, resolve_columns
from uploader.records.mapper import Mapper
from uploader.settings import Settings

SCHEMA = Schema(labels=dict.fromkeys(["email", "firstname", "work_email", "hs_additional_emails"], ""))


def mapped(header, *rows, opt_outs=LIST, **more):
    rules = Rules(opt_outs=opt_outs, **more)
    mapper = Mapper(0, rules, SCHEMA, resolve_columns(header, rules, SCHEMA))
    return mapper.map(0, [Row(number, b"", list(row)) for number, row in enumerate(rows, 2)])


def one(column, cell, **more):
    (found,) = mapped(["email", column], ["A@x.com", cell], **more)
    return found


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *(("HasOptedOutOfEmail", cell) for cell in ("1", "TRUE", "yes", "Ja", "on")),
        *(("UNSUB_TIME", cell) for cell in ("2024-05-01 10:00:00", "yes", "x")),
        *(("Accepts Email Marketing", cell) for cell in ("no", "false", "0", "", "nein")),
        ("Phone and e-mail opt-out", "yes"),
    ],
)
def test_a_yes_or_a_missing_consent_lists_the_address_and_writes_the_row(column, cell):
    found = one(column, cell)
    assert found.opt_outs == ("a@x.com",)
    assert not isinstance(found, Unsent)
    skipped = one(column, cell, opt_outs=SKIP)
    assert (skipped.outcome, skipped.opt_outs) == (Outcome.SKIPPED, None)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *(("HasOptedOutOfEmail", cell) for cell in ("0", "no", "", " ", "nein")),
        *(("UNSUB_TIME", cell) for cell in ("", "no", "FALSE", "0")),
        *(("Accepts Email Marketing", cell) for cell in ("yes", "1", "true")),
    ],
)
def test_a_no_a_blank_or_a_consent_lists_nobody(column, cell):
    for what in (LIST, SKIP):
        found = one(column, cell, opt_outs=what)
        assert found.opt_outs is None
        assert not isinstance(found, Unsent)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("Marketing status", "unsubscribed"),
        ("UNSUB_TIME", "0000-00-00 00:00:00"),
        ("Email Suppression", "NULL"),
        ("OPT_IN", "pending"),
    ],
)
def test_what_is_neither_keeps_the_row_from_being_sent(column, cell):
    for what in (LIST, SKIP):
        found = one(column, cell, opt_outs=what)
        assert (found.outcome, found.category) == (Outcome.INVALID, "BOOLEAN")
    named = one(column, cell, suppress_where={column: (cell,)})
    assert (named.outcome, named.opt_outs) == (Outcome.SKIPPED, ("a@x.com",))


@pytest.mark.parametrize(
    "column", ["Do Not Call", "DoNotCall", "SMS opt-out", "phone_opt_out", "HasOptedOutOfFax"]
)
def test_preferences_about_the_telephone_list_nobody(column):
    header, rules = ["email", column, "Unsubscribed"], Rules(opt_outs=LIST, ignored=frozenset({column}))
    assert not rules.tells_opt_outs(column)
    mapper = Mapper(0, rules, SCHEMA, resolve_columns(header, rules, SCHEMA))
    (found,) = mapper.map(0, [Row(2, b"", ["a@x.com", "yes", "no"])])
    assert found.opt_outs is None
    with pytest.raises(MappingError, match="no column tells of opt-outs"):
        refuse_unknown(Rules(opt_outs=LIST), ["email", column])


@pytest.mark.parametrize("column", ["DNC", "dnc_flag", "GDPR", "DSGVO Status"])
def test_a_name_that_leaves_open_what_a_yes_means_is_not_read_and_still_asked_about(column):
    for what in (LIST, SKIP):
        with pytest.raises(MappingError, match="--opt-outs does not read it"):
            one(column, "yes", opt_outs=what)
    assert one(column, "yes", mapped={column: "firstname"}).opt_outs is None
    skipped = one(column, "yes", suppress_where={column: ()})
    assert (skipped.outcome, skipped.opt_outs) == (Outcome.SKIPPED, ("a@x.com",))


@pytest.mark.parametrize("column", ["GDPR opt-out", "GDPR Consent", "Unsub", "unsub_flag", "Do not contact"])
def test_a_name_that_says_what_a_yes_means_is_read(column):
    assert Rules(opt_outs=LIST).tells_opt_outs(column)


def test_all_addresses_of_the_row_are_listed_also_in_columns_that_are_left_out():
    header = ["email", "work_email", "hs_additional_emails", "Unsubscribed"]
    row = ["A@x.com", "a@work.com", "a2@x.com; A3@X.com;a@x.com, none", "yes"]
    left_out = frozenset({"work_email", "hs_additional_emails"})
    (found,) = mapped(header, row, ignored=left_out)
    assert found.opt_outs == ("a@x.com", "a@work.com", "a2@x.com", "a3@x.com")


def test_the_address_that_replaces_another_one_is_listed_too():
    (found,) = mapped(
        ["email", "Unsubscribed"],
        ["old@x.com", "yes"],
        translations={"email": {"old@x.com": "new@x.com"}},
    )
    assert found.key == "new@x.com"
    assert found.opt_outs == ("old@x.com", "new@x.com")


@pytest.mark.parametrize("more", [{}, {"mapped": {"Marketing status": "firstname"}}])
def test_words_of_a_column_mean_what_the_tables_of_values_say(more):
    words = {"unsubscribed": "yes", "subscribed": "no", "bounced": "Yes", "unknown": ""}
    cells = {
        "Unsubscribed": True,
        " BOUNCED ": True,
        "Subscribed": False,
        "unknown": False,
        "": False,
        "yes": True,
    }
    for cell, is_listed in cells.items():
        found = one("Marketing status", cell, translations={"Marketing status": words}, **more)
        assert (found.opt_outs is not None) == is_listed, cell
        assert not isinstance(found, Unsent)
    unclear = one("Marketing status", "archived", translations={"Marketing status": words}, **more)
    assert (unclear.outcome, unclear.faults[0].texts) == (Outcome.INVALID, ("archived",))


def test_a_list_needs_a_column_of_addresses():
    rules = Rules(match=("external_id",), opt_outs=LIST)
    with pytest.raises(MappingError, match="--opt-outs list lists addresses, and no column is email"):
        resolve_columns(["external_id", "Unsubscribed"], rules, None)


def test_a_cell_that_can_not_be_read_is_no_answer():
    rules = Rules(opt_outs=LIST)
    header = ["email", "Unsubscribed", "OPT_IN"]
    mapper = Mapper(0, rules, SCHEMA, resolve_columns(header, rules, SCHEMA))
    hidden = PartlyReadable("holds #N/A", ["a@x.com", "", "yes"], {1: "holds #N/A"})
    other = PartlyReadable("holds #N/A", ["a@x.com", "", "no"], {1: "holds #N/A"})
    (unclear, clear) = mapper.map(0, [Row(2, b"", hidden), Row(3, b"", other)])
    assert (unclear.outcome, unclear.opt_outs) == (Outcome.INVALID, None)
    assert clear.opt_outs == ("a@x.com",)


_CELLS = st.sampled_from(["yes", "no", "", "maybe", "1", "0", "2024-01-01", "NULL"])


@given(st.lists(st.tuples(_CELLS, _CELLS, _CELLS), min_size=1, max_size=8))
def test_a_row_that_is_written_and_not_listed_has_said_no_in_every_column(cells):
    """Whatever the rows beside it say."""
    header = ["email", "Unsubscribed", "UNSUB_TIME", "OPT_IN"]
    rows = [[f"u{number}@x.com", *row] for number, row in enumerate(cells)]
    for found, (address, *said) in zip(mapped(header, *rows), rows, strict=True):
        if found.opt_outs is not None:
            assert found.opt_outs == (address,)
        elif not isinstance(found, Unsent):
            assert said[0] in {"no", "", "0"}
            assert said[1] in {"no", "", "0"}
            assert said[2] in {"yes", "1"}


@pytest.mark.parametrize(
    ("words", "is_lost"),
    [
        ({"": ("yes",)}, True),
        ({"": ("n/a", "1")}, True),
        ({"Unsubscribed": ("TRUE",)}, True),
        ({"": ("no", "n/a")}, False),
        ({"City": ("yes",)}, False),
        ({"OPT_IN": ("yes",)}, False),
    ],
)
def test_a_blank_word_that_would_lose_opt_outs_is_refused(words, is_lost):
    def settings():
        return Settings(sources=("a.csv",), token="t", blank_values=words, opt_outs="list")

    if is_lost:
        with pytest.raises(SettingsError, match="would be lost"):
            settings()
    else:
        assert settings().rules.opt_outs == LIST


def test_only_contacts_have_opt_outs():
    with pytest.raises(SettingsError, match="contacts only"):
        Settings(
            sources=("a.csv",), token="t", opt_outs="list", object_type="companies", id_property="domain"
        )


@pytest.mark.parametrize("named", [{}, {"idProperty": "work_email"}])
def test_a_column_that_suppresses_is_also_the_key_of_an_input_in_the_form_of_the_api(named):
    rules = Rules(suppress_where={named.get("idProperty", "email"): ("none@none.com",)})
    inputs = [
        {"id": key, **named, "properties": {"firstname": "Ann"}} for key in ("None@none.com", "ann@x.com")
    ]
    rows = [Row(number, b"{}", content) for number, content in enumerate(inputs, 1)]
    skipped, sent = Mapper(0, rules, Schema(labels=SCHEMA.labels, unique={"work_email"}), None).map(0, rows)
    assert isinstance(skipped, Unsent)
    assert skipped.outcome is Outcome.SKIPPED
    assert not isinstance(sent, Unsent)
