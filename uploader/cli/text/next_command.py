"""The command to be typed next, made of the one that was typed. Words in, words out."""

import shlex
from collections.abc import Sequence

from uploader.settings.write_policy import WritePolicySettings
from uploader.sources.names import is_url, shown

#: What only `check` and `preview` are told, and whether a value follows.
_OWN = {"--sample": True, "--examples": True, "--write-mapping": True, "--json": False}
#: Which account is meant, and by which token.
_ACCOUNT = frozenset({"--base-url", "--api-version", "--token-file", "--oauth-file"})


def next_command(typed: Sequence[str], verb: str, more: Sequence[str] = ()) -> str:
    """The line that was typed with another verb, without what the former alone is told, and with `more`.

    Of a URL, only what may be shown.
    """
    words: list[str] = []
    rest = iter(typed[1:])
    for word in rest:
        option, equals, value = word.partition("=")
        if option not in _OWN:
            is_said_with = option.startswith("--") and is_url(value)
            words.append(f"{option}={shown(value)}" if is_said_with else shown(word))
        elif _OWN[option] and not equals:
            next(rest, None)
    return shlex.join(["uploader", verb, *words, *more])


def undo_command(checkpoint: str, typed: Sequence[str], more: Sequence[str]) -> str:
    """Undo of a job, where the command that was typed has the account and the token from."""
    words: list[str] = []
    for place, word in enumerate(typed):
        option, equals, value = word.partition("=")
        if option in _ACCOUNT:
            words += [f"{option}={shown(value)}"] if equals else [option, *map(shown, typed[place + 1 :][:1])]
    return shlex.join(["uploader", "undo", checkpoint, *words, *more])


def upload_line(typed: Sequence[str], settings: WritePolicySettings, more: Sequence[str]) -> str:
    """The upload that was looked ahead at, with a way back."""
    if settings.snapshot:
        return f"upload: {next_command(typed, 'upload', more)}"
    cost = "" if settings.reads_first else ", at twice the requests"
    way_back = next_command(typed, "upload", [*more, "--snapshot"])
    return f"upload so that it can be undone{cost}: {way_back}"


def portal_option(typed: Sequence[str], portal: str) -> list[str]:
    """That it has to be this account, unless that is said already, or nobody knows."""
    return [] if is_given(typed, "--portal") or not portal else ["--portal", portal]


def is_given(typed: Sequence[str], option: str) -> bool:
    return any(word.partition("=")[0] == option for word in typed)
