"""Replies, decoded or missing."""

from uploader.hubspot.replies import no_reply


def test_no_reply_is_status_0_and_says_whether_the_request_may_have_arrived():
    assert no_reply("reset", maybe_applied=True).maybe_applied
    assert not no_reply("refused", maybe_applied=False).maybe_applied
    assert no_reply("reset", maybe_applied=True).status == 0
    assert not no_reply("reset", maybe_applied=True).ok
