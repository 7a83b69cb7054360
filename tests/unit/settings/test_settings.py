"""What a run can be told, and what is said about the rest."""

import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from uploader.errors import SettingsError
from uploader.pipeline.failure_limits import FailureLimit
from uploader.pipeline.rate.limiter import Quota
from uploader.records.write_policy import Only
from uploader.settings import Settings
from uploader.settings.safety import parse_failure_limit
from uploader.settings.sign_in import BASE_URL, check_base_url, check_token
from uploader.settings.speed import parse_rate

TOKEN = "pat-eu1-0123"


def settings(**changes):
    return Settings(**{"sources": ("contacts.csv",), "token": TOKEN, **changes})


def test_two_things_are_enough_and_the_rest_has_its_default():
    plain = settings()
    assert (plain.id_property, plain.object_type, plain.base_url) == ("email", "contacts", BASE_URL)
    assert plain.checkpoint_path == Path("contacts.csv.checkpoint")
    assert plain.results_path == Path("contacts.csv.results.csv")
    assert settings(write_results=False).results_path is None


def test_of_several_sources_the_first_gives_the_names():
    assert settings(sources=("b.csv", "a.csv")).checkpoint_path == Path("b.csv.checkpoint")


def test_stdin_has_no_path_so_the_results_stand_beside_the_checkpoint():
    piped = settings(sources=("-",), checkpoint=Path("job.checkpoint"))
    assert piped.results_path == Path("job.checkpoint.results.csv")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sources": ()}, "at least one source"),
        ({"sources": ("-", "-"), "checkpoint": Path("c")}, "only once"),
        ({"sources": ("-",)}, "needs --checkpoint"),
        ({"token": ""}, "HUBSPOT_ACCESS_TOKEN"),
        ({"base_url": "http://api.hubapi.com"}, "unencrypted"),
        ({"api_version": "v4"}, "--api-version v4"),
        ({"match": ("id", "email")}, "use --id-property id alone"),
        ({"match": ("email", "hs_object_id")}, "use --id-property id alone"),
        ({"match": ("id", "hs_object_id")}, "use --id-property id alone"),
        ({"id_property": "id", "match": ("email",)}, "not both"),
        ({"id_property": "id", "only_records": Only.NEW}, "--only-new with --id-property id"),
        ({"id_property": ""}, "--id-property"),
        ({"id_property": "a/b"}, "--id-property"),
        ({"object_type": "contacts?x"}, "--object-type"),
        ({"object_type": "../deals"}, "--object-type"),
        ({"max_in_flight": 0}, "--max-in-flight"),
        ({"max_in_flight": 1_001}, "--max-in-flight"),
        ({"delimiter": ""}, "--delimiter"),
        ({"delimiter": ";;"}, "--delimiter"),
        ({"delimiter": '"'}, "--delimiter"),
        ({"delimiter": "\n"}, "--delimiter"),
    ],
)
def test_a_bad_setting_has_a_message_of_its_own(changes, text):
    with pytest.raises(SettingsError, match=re.escape(text)) as caught:
        settings(**changes)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


_WRONG = [
    ("base_url", "http://api.hubapi.com", "unencrypted"),
    ("match", ("external_id",), "either --match or --id-property"),
    ("api_version", "v4", "--api-version"),
    ("id_property", "a/b", "--id-property"),
    ("delimiter", ";;", "--delimiter"),
    ("on_bad_value", "keep", "--on-bad-value"),
    ("constants", {"a/b": "c"}, "--set"),
    ("portal", "x", "--portal"),
    ("share", 0.0, "share"),
    ("outage_seconds", -1.0, "--outage-timeout"),
    ("canary_wait_seconds", -1.0, "--canary-wait"),
    ("sources", (), "at least one source"),
]


@pytest.mark.parametrize("first", range(len(_WRONG)))
def test_of_several_bad_settings_the_first_in_order_is_reported(first):
    changes = {name: value for name, value, _ in _WRONG[first:]}
    with pytest.raises(SettingsError, match=re.escape(_WRONG[first][2])):
        settings(**changes)


@pytest.mark.parametrize("name", ["drain_timeout_seconds", "outage_seconds", "first_contact_seconds"])
@pytest.mark.parametrize("seconds", [float("nan"), -1.0])
def test_a_time_that_never_comes_or_is_over_before_it_began_is_refused(name, seconds):
    """With NaN a comparison is always false: a run without a server would never stop."""
    with pytest.raises(SettingsError):
        settings(**{name: seconds})


@pytest.mark.parametrize(
    "changes",
    [
        {"checkpoint": Path("contacts.csv")},
        {"results": Path("contacts.csv")},
        {"checkpoint": Path("./contacts.csv")},
        {"checkpoint": Path("job"), "results": Path("job")},
        {"sources": ("a.csv", "b.csv"), "results": Path("b.csv")},
        {"sources": ("a.csv", "a.csv.results.csv")},
    ],
)
def test_no_file_is_both_read_and_written(changes):
    """`--restart` removes the checkpoint and the results: it must never be the source that goes."""
    with pytest.raises(SettingsError):
        settings(**changes)


# --- the token ---


@pytest.mark.parametrize("token", ["pat-eu 1", "pat-eu\n", "pat\r\nX-Evil: 1", "tökén", "pat\x00eu", " "])
def test_a_token_no_header_can_carry_is_refused_without_repeating_it(token):
    with pytest.raises(SettingsError) as caught:
        check_token(token)
    assert token.strip() == "" or token not in str(caught.value)


@given(st.text(min_size=8))
def test_no_message_about_a_token_holds_it(token):
    try:
        check_token(token)
    except SettingsError as error:
        assert token not in str(error)  # noqa: PT017
    else:
        assert re.fullmatch(r"[!-~]+", token)


def test_a_token_never_shows():
    assert TOKEN not in repr(settings())


# --- where it goes ---


@pytest.mark.parametrize(
    "url",
    [
        BASE_URL,
        "https://proxy.example/hubspot",
        "https://proxy.example:8443",
        "http://localhost:8080",
        "http://127.0.0.1:1",
        "http://127.9.9.9",
        "http://[::1]:8080",
        "HTTP://LOCALHOST",
    ],
)
def test_the_token_goes_over_tls_or_stays_on_this_machine(url):
    check_base_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.hubapi.com",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://0.0.0.0",
        "http://10.0.0.1",
        "http://[::2]",
        "http://2130706433",
        "http://user:pw@localhost",
        "https://user@api.hubapi.com",
        "http://localhost@evil.example",
        "http://evil.example\\@localhost",
        "http://localhost\\@evil.example",
        "ftp://localhost",
        "api.hubapi.com",
        "//api.hubapi.com",
        "https://",
        "https://api.hubapi.com?x=1",
        "https://api.hubapi.com#x",
        "https://api.hubapi.com:99999",
        "https://[::1",
        "",
    ],
)
def test_any_other_address_is_refused(url):
    with pytest.raises(SettingsError, match="--base-url"):
        check_base_url(url)


@given(st.text(max_size=30) | st.text(max_size=20).map(lambda text: f"http://{text}"))
def test_any_text_is_an_address_or_a_settings_error(url):
    try:
        check_base_url(url)
    except SettingsError as error:
        assert "--base-url" in str(error)  # noqa: PT017
    else:
        assert url.strip().lower().startswith(("https://", "http://"))


# --- rate ---


def test_a_rate_is_requests_per_seconds():
    assert parse_rate("190/10") == Quota(190, 10.0)
    with pytest.raises(SettingsError, match=r"--rate '190' is not REQUESTS/SECONDS"):
        parse_rate("190")


# --- how many rows may fail ---


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0", FailureLimit(count=0)),
        (" 50 ", FailureLimit(count=50)),
        ("5%", FailureLimit(share=0.05)),
        ("0.5%", FailureLimit(share=0.005)),
        ("0%", FailureLimit(share=0.0)),
        ("100%", FailureLimit(share=1.0)),
    ],
)
def test_a_limit_is_a_number_or_a_share(text, limit):
    assert parse_failure_limit(text) == limit
    assert parse_failure_limit(str(limit)) == limit


@pytest.mark.parametrize("text", ["", "-1", "101%", "100.1%", "5 %", "five", "1e3", "%", "5%%"])
def test_a_text_that_is_no_limit_is_named(text):
    with pytest.raises(SettingsError, match=re.escape(f"--max-failures {text!r}")):
        parse_failure_limit(text)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_number_of_failures_is_exceeded_by_one_more(count, failed, rows):
    assert FailureLimit(count=count).exceeded(failed, rows) == (failed > count)


@pytest.mark.parametrize(
    ("failed", "rows", "exceeded"),
    [
        (999, 999, False),
        (200, 1_000, False),
        (201, 1_000, True),
        (2_000, 10_000, False),
        (2_001, 10_000, True),
    ],
)
def test_a_share_counts_after_a_thousand_rows(failed, rows, exceeded):
    assert FailureLimit(share=0.2).exceeded(failed, rows) is exceeded


def test_a_share_of_all_is_never_exceeded_and_no_share_at_the_first_failure():
    assert not FailureLimit(share=1.0).exceeded(5_000, 5_000)
    assert FailureLimit(share=0.0).exceeded(1, 1_000)
    assert not FailureLimit().exceeded(10**6, 10**6)
