"""Which proxy, whose certificates: by the usual variables, and without the proxy's password in any text."""

import pytest
from hypothesis import given, strategies as st

from uploader.hubspot.proxy import Network, find_network

HUBSPOT = "https://api.hubapi.com"
PROXY = "http://proxy.example:3128"


def test_without_variables_the_connection_is_direct():
    network = find_network(HUBSPOT, {})
    assert network == Network()
    assert "directly" in network.summary


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_the_usual_variables_name_the_proxy(variable):
    network = find_network(HUBSPOT, {variable: PROXY})
    assert (network.proxy, network.proxy_variable) == (PROXY, variable)
    assert PROXY in network.summary


def test_lower_case_comes_first_and_a_bare_host_is_http():
    network = find_network(HUBSPOT, {"HTTPS_PROXY": "http://other:1", "https_proxy": "proxy.example:3128"})
    assert network.proxy == PROXY


def test_the_proxy_for_plain_http_is_not_for_us_nor_any_for_this_machine():
    assert find_network(HUBSPOT, {"http_proxy": PROXY}).proxy == ""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        assert find_network("http://127.0.0.1:8080", {name: PROXY}).proxy == ""


@pytest.mark.parametrize(
    "spared",
    ["*", "hubapi.com", ".hubapi.com", "a.example, API.hubapi.com", "api.hubapi.com:443", "x,,hubapi.com "],
)
def test_no_proxy_exempts_hosts_and_their_subdomains(spared):
    assert find_network(HUBSPOT, {"https_proxy": PROXY, "no_proxy": spared}).proxy == ""


@pytest.mark.parametrize(
    "spared", ["", "api.com", "i.hubapi.com", "api.hubapi.com:8443", "hubapi.com.example"]
)
def test_no_proxy_exempts_no_other_host(spared):
    assert find_network(HUBSPOT, {"https_proxy": PROXY, "NO_PROXY": spared}).proxy == PROXY


@pytest.mark.parametrize(
    "url",
    [
        "socks5://u:s3cret@proxy.example:1080",
        "https://u:s3cret@proxy.example",
        "http://u:s3cret@proxy.example:port",
        "http://u:s3cret@",
        "http://u:s3cret@proxy example",
        "http://u:s3cret@[::1",
    ],
)
def test_a_proxy_that_cannot_be_used_is_one_line_without_its_password(url):
    with pytest.raises(ValueError, match="https_proxy") as caught:
        find_network(HUBSPOT, {"https_proxy": url})
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@given(password=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=6, max_size=20))
def test_the_password_shows_in_no_text(password):
    secret = f"pw{password}"
    network = find_network(HUBSPOT, {"https_proxy": f"http://user:{secret}@proxy.example:3128"})
    assert secret in network.proxy
    assert secret not in network.summary + network.proxy_shown + repr(network)


def test_openssls_own_variables_come_before_the_one_of_requests():
    both = {"SSL_CERT_FILE": "/a", "REQUESTS_CA_BUNDLE": "/b"}
    assert find_network(HUBSPOT, both).authorities == {"SSL_CERT_FILE": "/a"}
    assert find_network(HUBSPOT, {"REQUESTS_CA_BUNDLE": "/b"}).authorities == {"REQUESTS_CA_BUNDLE": "/b"}
    assert "/b" in find_network(HUBSPOT, {"REQUESTS_CA_BUNDLE": "/b"}).summary
