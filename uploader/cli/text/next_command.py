"""The next command to type, made of the one that was typed, or of what a job records. Words in, words out."""

import shlex
from collections.abc import Mapping, Sequence

from uploader.settings import Settings
from uploader.sources.names import STDIN, is_url, shown

#: Options of `check` and `preview` alone, and whether a value follows.
_OWN = {
    "--sample": True,
    "--examples": True,
    "--rows": True,
    "--write-mapping": True,
    "--write-owner-map": True,
    "--write-properties": True,
    "--html": True,
    "--details": False,
    "--json": False,
}
#: Options for the account and its token.
ACCOUNT = ("--base-url", "--api-version", "--token-file", "--oauth-file", "--token-command")
#: What follows it are sources.
_NO_MORE_OPTIONS = "--"


def command_line(*words: object) -> str:
    """A command that works when it is pasted into a shell. Words that are no texts are paths."""
    typed = (word if isinstance(word, str) else path_word(str(word)) for word in words)
    return " ".join(["uploader", *map(shell_word, typed)])


def shell_word(word: str) -> str:
    """The word as bash and zsh read it back. Characters that are never printed are escaped."""
    return shlex.quote(word) if word.isprintable() else f"$'{''.join(map(_escaped, word))}'"


def _escaped(char: str) -> str:
    if char.isprintable():
        return f"\\{char}" if char in "\\'" else char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def path_word(path: str) -> str:
    """The path as a word that is not taken for an option."""
    return f"./{path}" if path.startswith("-") else path


def seen_from(folder: object, recorded: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Options that a job records, with the paths of files in this folder relative to it."""
    here = f"{folder}/"
    return {option: [value.removeprefix(here) for value in values] for option, values in recorded.items()}


def account_words(recorded: Mapping[str, Sequence[str]]) -> list[str]:
    """The options for the account and its token, of those that a job records."""
    return [word for name in ACCOUNT for value in recorded.get(name, ()) for word in (name, value)]


def given_account(
    recorded: Mapping[str, Sequence[str]], typed: Sequence[str] = ()
) -> dict[str, Sequence[str]]:
    """The options for the account and its token: as a job records them, unless they are typed."""
    given = {name: recorded[name] for name in ACCOUNT if name in recorded}
    for place, word in enumerate(typed):
        option, equals, value = word.partition("=")
        if option in ACCOUNT:
            given[option] = [value] if equals else typed[place + 1 : place + 2]
    return given


def next_command(typed: Sequence[str], verb: str, more: Sequence[str] = ()) -> str:
    """The typed command with this verb, without options of `check` and `preview` alone, and with `more`.

    The secrets of a URL are left out; `by_hand` says so.
    """
    words: list[str] = []
    own = {} if typed[:1] == ["upload"] else _OWN
    rest = iter(typed[1:])
    for word in rest:
        option, equals, value = word.partition("=")
        if word == _NO_MORE_OPTIONS:
            return command_line(verb, *words, *more, word, *map(shown, rest))
        if option not in own:
            is_said_with = option.startswith("--") and is_url(value)
            words.append(f"{option}={shown(value)}" if is_said_with else shown(word))
        elif own[option] and not equals:
            next(rest, None)
    return command_line(verb, *words, *more)


def without(typed: Sequence[str], option: str) -> list[str]:
    """The typed words without an option that has a value."""
    words: list[str] = []
    rest = iter(typed)
    for word in rest:
        if word == _NO_MORE_OPTIONS:
            return [*words, word, *rest]
        if word == option:
            next(rest, None)
        elif not word.startswith(f"{option}="):
            words.append(word)
    return words


def by_hand(sources: Sequence[str]) -> str:
    """What a printed command for these sources lacks, as words to put before it; "" if nothing."""
    needs = ["pipe the same rows into it"] if STDIN in sources else []
    if any(shown(name) != name for name in sources):
        needs.append("put the secret part of the URL back")
    return f" ({', and '.join(needs)})" if needs else ""


def upload_line(
    typed: Sequence[str], settings: Settings, more: Sequence[str], *, is_undone: bool = False
) -> str:
    """The upload command for what was checked or previewed, with --snapshot so that it can be undone.
    `is_undone`: the job was, and has to begin anew.
    """
    lacks = by_hand(settings.sources)
    more = [*more, *(["--restart"] if is_undone and not is_given(typed, "--restart") else [])]
    if STDIN in settings.sources and not is_given(typed, "--checkpoint"):
        more += ["--checkpoint", str(settings.checkpoint_path)]
    if settings.snapshot:
        return f"upload{lacks}: {next_command(typed, 'upload', more)}"
    cost = "" if settings.reads_first else ", at twice the requests"
    return f"upload so that it can be undone{cost}{lacks}: " + next_command(
        typed, "upload", [*more, "--snapshot"]
    )


def portal_option(given: str, portal: str) -> list[str]:
    """--portal with this account, unless it is given already or the account is not known."""
    return [] if given or not portal else ["--portal", portal]


def is_given(typed: Sequence[str], option: str) -> bool:
    return any(word.partition("=")[0] == option for word in typed)
