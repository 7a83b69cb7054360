"""No text that is shown holds an address, and options that it names keep their columns."""

import pytest

from uploader.model.redaction import without_addresses

ADDRESSES = ["none@none.com", "bounce+ann=example.com@mail.example"]


@pytest.mark.parametrize("quote", ['"', "'", ""])
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_option_keeps_its_column(quote, address):
    text = f"add --blank-value {quote}E-mail=%s{quote} or keep it"
    assert without_addresses(text % address) == text % "(an address)"
    text = '--suppress-where "E-mail Address=%s"'
    assert without_addresses(text % address) == text % "(an address)"


@pytest.mark.parametrize("address", ADDRESSES)
def test_elsewhere_all_of_an_address_is_hidden(address):
    text = "%s and a=b and --set x=1: %s"
    assert without_addresses(text % (address, address)) == text % ("(an address)", "(an address)")
