"""The next command to type, made of the one that was typed, or of what a job records. Words in, words out."""

import shlex
from collections.abc import Mapping, Sequence

from uploader.settings.write_policy import WritePolicySettings
from uploader.sources.names import is_url, shown

#: Options of `check` and `preview` alone, and whether a value follows.
_OWN = {"--sample": True, "--examples": True, "--write-mapping": True, "--json": False}
#: Options for the account and its token.
_ACCOUNT = ("--base-url", "--api-version", "--token-file", "--oauth-file")


def command_line(*words: object) -> str:
    """A command that works when it is pasted into a shell. Words that are no texts are paths."""
    return shlex.join(
        ["uploader", *(word if isinstance(word, str) else path_word(str(word)) for word in words)]
    )


def path_word(path: str) -> str:
    """The path as a word that is not taken for an option."""
    return f"./{path}" if path.startswith("-") else path


def account_words(options: Mapping[str, Sequence[str]]) -> list[str]:
    """The options for the account and its token, of those that a job records."""
    return [word for name in _ACCOUNT for value in options.get(name, ()) for word in (name, value)]


def next_command(typed: Sequence[str], verb: str, more: Sequence[str] = ()) -> str:
    """The typed command with another verb, without options of the former alone, and with `more`.

    The secrets of a URL are left out.
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
    return command_line(verb, *words, *more)


def undo_command(checkpoint: str, typed: Sequence[str], more: Sequence[str]) -> str:
    """The command that undoes a job, with the account and token options of the typed command."""
    words: list[str] = []
    for place, word in enumerate(typed):
        option, equals, value = word.partition("=")
        if option in _ACCOUNT:
            words += [f"{option}={shown(value)}"] if equals else [option, *map(shown, typed[place + 1 :][:1])]
    return command_line("undo", path_word(checkpoint), *words, *more)


def upload_line(typed: Sequence[str], settings: WritePolicySettings, more: Sequence[str]) -> str:
    """The upload command for what was checked or previewed, with --snapshot so that it can be undone."""
    if settings.snapshot:
        return f"upload: {next_command(typed, 'upload', more)}"
    cost = "" if settings.reads_first else ", at twice the requests"
    way_back = next_command(typed, "upload", [*more, "--snapshot"])
    return f"upload so that it can be undone{cost}: {way_back}"


def portal_option(typed: Sequence[str], portal: str) -> list[str]:
    """--portal with this account, unless it is given already or the account is not known."""
    return [] if is_given(typed, "--portal") or not portal else ["--portal", portal]


def is_given(typed: Sequence[str], option: str) -> bool:
    return any(word.partition("=")[0] == option for word in typed)
