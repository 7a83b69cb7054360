"""When a token is renewed, and what the answer to that means."""

import pytest
from hypothesis import given, strategies as st

from uploader.hubspot.replies import Reply, no_reply
from uploader.hubspot.sign_in.token_renewal import (
    Life,
    OAuth,
    Renewal,
    TokenFile,
    is_sendable,
    judge,
    refresh_form,
)
from uploader.settings import Settings

GRANT = {
    "access_token": "a1",
    "refresh_token": "r1",
    "expires_in": 1800,
    "hub_id": 7,
    "scopes": ["oauth"],
    "token_type": "bearer",
}


@given(st.floats(3, 100_000), st.floats(0, 1e9))
def test_a_token_is_renewed_ahead_of_its_end_and_never_used_beyond_it(lives, now):
    life = Life.of(lives, now)
    assert not life.is_due(now)
    assert now < life.due_at <= now + lives
    assert life.is_due(now + lives)
    assert life.ends_at < now + lives


@given(st.lists(st.floats(0.01, 60), max_size=30))
def test_while_renewals_fail_the_old_token_serves_until_its_end_and_then_nothing_leaves(waits):
    life, now = Life.of(100.0, 0.0), 75.0
    for wait in waits:
        if life.is_due(now):
            life.failed(now)
            assert now < life.due_at <= now + 30.0
        assert (life.wait_seconds(now) > 0) == (now >= life.ends_at and not life.is_due(now))
        now += wait


def test_a_refused_token_is_over_at_once():
    life = Life.of(1800.0, 0.0)
    life.expire()
    assert life.is_due(1.0)
    assert life.wait_seconds(1.0) == 0.0


def test_a_grant_is_read_with_what_it_says_of_itself():
    renewal, grant, reason = judge(Reply(200, body=GRANT))
    assert (renewal, reason) == (Renewal.GRANTED, "")
    assert (grant.access_token, grant.refresh_token, grant.lives_seconds) == ("a1", "r1", 1800.0)
    assert (grant.info.portal, grant.info.scopes) == ("7", frozenset({"oauth"}))


@pytest.mark.parametrize(
    ("reply", "renewal"),
    [
        (Reply(400, body={"error": "invalid_grant", "status": "BAD_REFRESH_TOKEN"}), Renewal.REFUSED),
        (Reply(401, body={}), Renewal.REFUSED),
        (Reply(302), Renewal.FAILED),
        (Reply(429, body={}), Renewal.FAILED),
        (Reply(477, body={}), Renewal.FAILED),
        (Reply(503), Renewal.FAILED),
        (no_reply("can't reach it", maybe_applied=False), Renewal.FAILED),
        (Reply(200, body={**GRANT, "access_token": "two words"}), Renewal.FAILED),
        (Reply(200, body={**GRANT, "access_token": 7}), Renewal.FAILED),
        (Reply(200, body={**GRANT, "expires_in": "soon"}), Renewal.FAILED),
        (Reply(200), Renewal.FAILED),
    ],
)
def test_a_reply_without_a_token_is_refused_or_asked_for_again(reply, renewal):
    found, grant, reason = judge(reply)
    assert (found, grant) == (renewal, None)
    assert reason


def test_a_reason_repeats_nothing_that_was_sent():
    body = {"error": "the refresh token na1-secret is bad", "error_description": "na1-secret"}
    assert "secret" not in judge(Reply(400, body=body))[2]


def test_secrets_show_in_no_repr():
    oauth = OAuth("id-secret", "client-secret", "refresh-secret")
    settings = Settings(sources=("a.csv",), token="", sign_in=oauth)
    assert "secret" not in repr(oauth) + repr(settings)
    assert refresh_form(oauth)["refresh_token"] == "refresh-secret"
    assert Settings(sources=("a.csv",), token="t", sign_in=TokenFile("t")).token == "t"


@given(st.text(max_size=20))
def test_a_token_that_would_end_a_header_is_none(token):
    assert is_sendable(token) == (token != "" and all("!" <= character <= "~" for character in token))
