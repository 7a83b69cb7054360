"""Texts that stand for no value are told from those that may be somebody's."""

import pytest

from uploader.records.values.placeholders import (
    addresses_of_nobody,
    is_address_of_nobody,
    phones_of_one_digit,
    words_in,
)


@pytest.mark.parametrize(
    "text",
    [
        *("none@none.com", "None@None.com", "none@company.com", "no-email@clinic.org", "noemail@x.de"),
        *("test@test.com", "aa@aa.com", "xxx@xxx.com", "na@na.com", "nil@none.com"),
        *("keine@email.de", "keine@keine.de", "nomail@x.com", "no@email.com", "noemail@noemail.com"),
        *("sem.email@x.com.br", "geen-email@x.nl", "nessuna_email@x.it", "pasdemail@x.fr", "kein@mail.de"),
        *("unknown@unknown.invalid", "no@none.com", "not.provided@x.com", "keine.email@firma.de"),
    ],
)
def test_these_are_addresses_of_nobody(text):
    assert is_address_of_nobody(text)
    assert addresses_of_nobody(["ann@x.com", text]) == [text]
    assert addresses_of_nobody(["id=none@none.com", f"email={text}"], "email=") == [text]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "ann@x.com",
            "test@company.com",
            "info@info.com",
            "nona@none.com",
            "none1@none.com",
            "none",
            "@",
            "",
        ),
        *("x@x.com", "na@company.com", "no@company.no", "nemo@nemo.com", "x@example.com", "nan@company.com"),
        *("kein@firma.de", "abc@mail.com", "test@email.com", "no@telenor.no", "ingen@firma.no"),
    ],
)
def test_these_may_be_somebodys(text):
    assert not is_address_of_nobody(text)
    assert not addresses_of_nobody([text])


def test_a_telephone_number_of_one_digit_is_one_however_it_is_written():
    found = ["0", "000000", "+00 (000) 000-00", "99-99", "1111111111"]
    others = ["", "-", "1", "11", "110", "+49 30 1", "0000001", "O00", "0\n"]
    assert phones_of_one_digit([*others, *found]) == found
    assert phones_of_one_digit(others) == []


def test_words_are_found_in_their_usual_spellings():
    texts = ["n/a", "N/A", "-", ".", "Unknown", "NONE", "#N/A", "0000-00-00", "null", "Not Available"]
    assert words_in(texts, texts) == texts
    others = ["NA", "no", "Nona", "n", "0", "", "unknown street"]
    assert not words_in(others, others)
