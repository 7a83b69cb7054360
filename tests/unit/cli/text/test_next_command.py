"""The command to be typed next says what was typed, but for what only the former verb is told."""

import os
import shlex
import subprocess

import click
import pytest
from hypothesis import given, strategies as st

from uploader.cli.commands import check, preview, upload
from uploader.cli.text.next_command import (
    account_words,
    by_hand,
    given_account,
    next_command,
    portal_option,
    shell_word,
)

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


@pytest.mark.parametrize("command", [check.command, preview.command])
def test_no_option_of_check_or_preview_alone_is_left_in_the_next_command(command):
    of_upload = {name for parameter in upload.command.params for name in parameter.opts}
    own = [one for one in command.params if isinstance(one, click.Option) and not of_upload & {*one.opts}]
    typed = [word for one in own for word in (one.opts[0], *([] if one.is_flag else ["1"]))]
    assert next_command([command.name, "a.csv", *typed], "upload") == "uploader upload a.csv"


def test_of_a_url_only_what_may_be_shown_is_said():
    text = next_command(["check", "https://me:pw@host/a.csv?sig=x", "--base-url=https://u:pw@h"], "upload")
    assert text == "uploader upload https://host/a.csv --base-url=https://h"


def test_an_account_is_named_unless_that_is_done_or_it_is_unknown():
    assert portal_option("", "7") == ["--portal", "7"]
    assert portal_option("8", "7") == []
    assert portal_option("", "") == []


def test_what_a_command_lacks_is_said():
    assert by_hand(["a.csv", "https://host/a.csv"]) == ""
    assert by_hand(["-"]) == " (pipe the same rows into it)"
    assert by_hand(["https://host/a.csv?sig=x"]) == " (put the secret part of the URL back)"


def test_options_come_before_the_word_that_ends_them():
    typed = ["check", "--ignore", "a", "--", "--json"]
    assert next_command(typed, "upload", ["--yes"]) == "uploader upload --ignore a --yes -- --json"


def test_upload_keeps_its_own_json():
    assert next_command(["upload", "a.csv", "--json"], "upload") == "uploader upload a.csv --json"


def test_typed_options_for_the_account_go_before_recorded_ones():
    recorded = {"--base-url": ["http://127.0.0.1:1"], "--token-file": ["old"], "--mapping": ["m.toml"]}
    assert account_words(recorded) == ["--base-url", "http://127.0.0.1:1", "--token-file", "old"]
    typed = ["undo", "a.checkpoint", "--token-file=my token", "--api-version", "2026-03"]
    assert account_words(given_account(recorded, typed)) == [
        *("--base-url", "http://127.0.0.1:1", "--api-version", "2026-03", "--token-file", "my token"),
    ]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_bash_reads_any_word_back(text):
    word = shell_word(f"{text}\udcfc")
    assert word.isprintable()
    done = subprocess.run(
        ["/bin/bash", "-c", f"printf %s {word}"], env={"LANG": "C.UTF-8"}, capture_output=True, check=True
    )
    assert os.fsdecode(done.stdout) == f"{text}\udcfc"
