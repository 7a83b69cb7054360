"""The command to be typed next says what was typed, but for what only the former verb is told."""

import shlex

from hypothesis import given, strategies as st

from uploader.cli.text.next_command import next_command, portal_option, undo_command

_WORD = st.text("ab ='\"*", min_size=1).filter(lambda text: not text.startswith("-"))
_KEPT = st.one_of(
    st.tuples(_WORD),
    st.tuples(st.sampled_from(["--map", "--portal", "--ignore"]), _WORD),
    st.just(("--yes",)),
)
_DROPPED = st.one_of(
    st.tuples(st.sampled_from(["--sample", "--examples", "--write-mapping"]), _WORD),
    st.just(("--sample=5",)),
    st.just(("--json",)),
)


@given(st.lists(st.tuples(st.booleans(), _KEPT, _DROPPED)))
def test_options_of_upload_stay_as_they_were_typed(parts):
    typed = [word for is_kept, kept, dropped in parts for word in (kept if is_kept else dropped)]
    wanted = [word for is_kept, kept, _ in parts if is_kept for word in kept]
    assert shlex.split(next_command(["check", *typed], "upload")) == ["uploader", "upload", *wanted]


def test_of_a_url_only_what_may_be_shown_is_said():
    text = next_command(["check", "https://me:pw@host/a.csv?sig=x", "--base-url=https://u:pw@h"], "upload")
    assert text == "uploader upload https://host/a.csv --base-url=https://h"


def test_an_account_is_named_unless_that_is_done_or_it_is_unknown():
    assert portal_option(["check", "a.csv"], "7") == ["--portal", "7"]
    assert portal_option(["check", "a.csv", "--portal=8"], "7") == []
    assert portal_option(["check", "a.csv"], "") == []


def test_an_undo_is_of_the_account_that_was_typed_for_another_command():
    typed = ["upload", "a.csv", "--snapshot", "--base-url", "http://127.0.0.1:1", "--token-file=my token"]
    assert undo_command("a b.checkpoint", typed, ["--restart"]) == (
        "uploader undo 'a b.checkpoint' --base-url http://127.0.0.1:1 '--token-file=my token' --restart"
    )
    assert undo_command("a.checkpoint", (), ["--restart"]) == "uploader undo a.checkpoint --restart"
