"""The keywords of the Python API: those of the command line, and what is said of a wrong value."""

import inspect
import pydoc
import re
import ssl
from dataclasses import fields

import click
import pytest

import uploader
from uploader import (
    ConnectionOptions,
    FailureLimit,
    LinkColumn,
    OAuth,
    OnDuplicate,
    OnLongPause,
    Options,
    Policy,
    Quota,
    Reserve,
    Settings,
    SettingsError,
    Suppression,
    TokenCommand,
    TokenFile,
    Tolerance,
    Uploader,
    check,
    preview,
    undo,
    upload,
    upload_sync,
    verify,
)
from uploader.api.described import meanings
from uploader.api.keyword_settings import FIELDS, make_settings
from uploader.api.keyword_values import CHOICES, TAKES
from uploader.api.options import DEFAULTS
from uploader.api.wording import in_keywords
from uploader.cli.commands.upload import command
from uploader.cli.options.parameters import key_of
from uploader.records.write_policy import Only

#: Options of the command that are no keywords, and why.
NO_KEYWORDS = {
    "project": "keywords take its place",
    "log_format": "nothing is printed",
    "verbose": "nothing is printed",
    "json": "`Summary.as_dict` is the same",
    "summary_file": "`Summary` is returned",
    "yes": "a parameter of its own, which holds for no other function",
}
#: Keywords that are no options of the command, and why.
NO_OPTIONS = {
    "token": "HUBSPOT_ACCESS_TOKEN",
    "oauth": "HUBSPOT_CLIENT_ID and the like",
    "proxy": "HTTPS_PROXY",
    "ssl": "SSL_CERT_FILE",
}
#: Keywords whose sentence is not that of the option, and why.
OTHER_SENTENCES = {
    "token_file": "no variable is read",
    "oauth_file": "no variable is read",
    "on_long_pause": "there is no terminal",
    "delimiter": "of the shell",
    "owner_map": "takes a mapping, too",
    "values": "takes a mapping, too",
    "associate": "takes a mapping",
    "suppress": "takes a list, too",
    "suppress_where": "takes a mapping",
    "limit": "a call in place of a command",
    "canary": "`judge` in place of a question",
    "drain_timeout": "no signals",
    "checkpoint": "rows in place of stdin",
}
PARAMETERS = {key_of(one): one for one in command.params if isinstance(one, click.Option)}


def made(**given):
    return make_settings(("a.csv",), (), {"token": "t", **given})


# --- the same words as the command line ---


def test_keywords_are_the_options_of_the_command():
    assert set(Options.__annotations__) - NO_OPTIONS.keys() == PARAMETERS.keys() - NO_KEYWORDS.keys()


def test_every_setting_can_be_said_by_a_keyword():
    """A new field of `Settings` needs a keyword."""
    of_commands = {"sources", "given", "repeated_options", "offline", "job_name", "first_contact_seconds"}
    together = {"sign_in", "network", "policies", "only_records", "write_results", "translation_places"}
    said = {FIELDS.get(name, name) for name in Options.__annotations__}
    assert {one.name for one in fields(Settings)} - of_commands <= said | together


def test_the_sentence_of_a_keyword_is_that_of_the_option():
    for name in Options.__annotations__.keys() - NO_OPTIONS.keys() - OTHER_SENTENCES.keys():
        said = (
            PARAMETERS[name].help.removesuffix(" Repeatable.").removesuffix(" Give it again for more words.")
        )
        assert meanings()[name] == in_keywords(said.replace("``", "`"), TAKES, CHOICES), name


def test_every_keyword_has_a_sentence_and_a_default():
    assert list(meanings()) == list(Options.__annotations__)
    assert DEFAULTS.keys() == Options.__annotations__.keys()
    for sentence in meanings().values():
        assert re.fullmatch(r"[A-Zo].*\.", sentence), sentence


def test_defaults_are_what_holds_without_a_keyword():
    others = {name: value for name, value in DEFAULTS.items() if name != "token"}
    assert made(**others) == made()


def test_every_type_that_a_keyword_takes_is_exported():
    named = {
        name
        for hint in Options.__annotations__.values()
        for name in re.findall(r"uploader[\w.]*\.(\w+)", str(hint))
    }
    assert named == {
        "FailureLimit", "LinkColumn", "OAuth", "OnDuplicate", "OnLongPause", "Policy", "Quota", "Reserve",
        "Suppression", "TokenCommand", "TokenFile", "Tolerance",
    }  # fmt: skip
    assert named <= set(uploader.__all__)


# --- values ---


def test_values_become_settings(tmp_path):
    context, suppression = ssl.create_default_context(), Suppression.of(["a@example.com"])
    link = LinkColumn("accountid", "companies", "sf_account_id")
    found = made(
        rate=Quota(5, 1.0),
        daily_reserve=Reserve(3),
        max_failures=FailureLimit(count=5),
        tolerate=Tolerance(share=0.1),
        on_duplicate=OnDuplicate.FIRST,
        on_long_pause=OnLongPause.WAIT,
        write=Policy.FILL,
        overwrite=["a"],
        create_only="b",
        suppress=suppression,
        associate=[link],
        only_new=True,
        no_results=True,
        no_canary=True,
        values={"Stage": {"Prospect": "lead"}},
        blank_value=["n/a"],
        match="email, external_id",
        ssl=context,
        proxy="http://me:secret@proxy.example:3128",
    )
    assert (found.rate, found.daily_reserve, found.tolerate) == (
        Quota(5, 1.0),
        Reserve(3),
        Tolerance(share=0.1),
    )
    assert (found.policy, found.policies) == ("fill", {"a": "overwrite", "b": "create-only"})
    assert (found.only_records, found.write_results, found.canary) == (Only.NEW, False, 0)
    assert (found.associations, found.suppression, found.match) == (
        (link,),
        suppression,
        ("email", "external_id"),
    )
    assert (found.translations, found.blank_values) == ({"Stage": {"prospect": "lead"}}, {"": ("n/a",)})
    network = found.network
    assert (network.context, network.proxy_shown) == (context, "http://proxy.example:3128")
    assert "secret" not in f"{found!r} {network.summary}"


def test_a_token_may_come_from_a_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("from-file\n")
    for given in (file, str(file), TokenFile(str(file))):
        found = make_settings(("a.csv",), (), {"token_file": given})
        assert (found.token, found.sign_in) == ("from-file", TokenFile(str(file)))
    command = TokenCommand("op read x")
    assert made(token=None, token_command="op read x").sign_in == command
    oauth = OAuth("id", "secret", "refresh")
    assert make_settings(("a.csv",), (), {"oauth": oauth}).sign_in == oauth


def test_files_that_options_name_are_read(tmp_path):
    (tmp_path / "map.toml").write_text(
        'on_bad_value = "drop"\n[columns]\n"Mail" = "email"\n"Note" = { ignore = true }\n'
        '"Out" = { suppress = true }\n"City" = { property = "city", write = "fill" }\n'
        '[values."City"]\n"NYC" = "New York"\n"LA" = "Los Angeles"\n'
    )
    (tmp_path / "owners.csv").write_text("jo,jo@example.com\n")
    (tmp_path / "people.txt").write_text("bob@example.com\n")
    (tmp_path / "values.csv").write_text("City,LA,Lost Angels\n")
    found = made(
        mapping=tmp_path / "map.toml",
        map={"Mail": "work_email"},
        owner_map=tmp_path / "owners.csv",
        suppress=[tmp_path / "people.txt"],
        values=tmp_path / "values.csv",
        overwrite=["City"],
    )
    assert (found.mapped["Mail"], found.ignored, found.on_bad_value) == (
        "work_email",
        frozenset({"Note"}),
        "drop",
    )
    assert (found.owner_map, len(found.suppression)) == ({"jo": "jo@example.com"}, 1)
    assert found.translations == {"City": {"nyc": "New York", "la": "Lost Angels"}}
    assert (found.policies, dict(found.suppress_where)) == ({"City": "overwrite"}, {"Out": ()})


# --- what is said of a wrong value ---

UNVERIFIED = ssl.create_default_context()
UNVERIFIED.check_hostname = False

WRONG = {
    "token": [5, "a b"],
    "token_file": [5, "/none"],
    "token_command": [5, "", "op 'read"],
    "oauth_file": [5, "/none"],
    "oauth": ["id"],
    "base_url": [5, "http://example.com", "nothing"],
    "api_version": ["v9"],
    "proxy": [5, "socks5://a:1", "not a url"],
    "ssl": [5, UNVERIFIED],
    "rate": [1.5, "quick"],
    "share": ["half", "0%", 2.0, None.__class__],
    "daily_reserve": [1.5, "100%", "some"],
    "max_in_flight": ["many", 0],
    "on_long_pause": ["perhaps", 5],
    "outage_timeout": ["long", -1],
    "format": ["xml"],
    "delimiter": [5, ";;"],
    "encoding": [5],
    "sheet": [5],
    "query": [5, "SELECT 1"],
    "accept_unfinished_last_line": ["yes"],
    "include_superseded": [1],
    "on_duplicate": ["second"],
    "object_type": [5, "a b", "companies"],
    "id_property": [5, "a b"],
    "match": [5, "a,,b", ["a", "a"], ["email", "id"]],
    "map": [["a"], {"a": 1}, "a"],
    "ignore": [5, [1]],
    "only": [5],
    "mapping": [5, "/none"],
    "clear": [5],
    "blank_value": [5, {"a": 5}],
    "date_order": [5, "YDM"],
    "decimal": [5, ";"],
    "options": [5, "both"],
    "timezone": [5, "Mars/Olympus"],
    "on_bad_value": ["shrug"],
    "owner_map": [5, "/none", {"a": 5}],
    "values": [5, "/none", {"a": {"": "b"}}],
    "associate": [5, {"a": 7}, {"a": "companies"}],
    "create_labels": ["yes", True],
    "create_missing": [5, ["companies"]],
    "set": [["a"], {"a b": "c"}],
    "allow": [5, ["city"]],
    "suppress": [5, "/none"],
    "suppress_where": [["a"], {"a": 5}],
    "opt_outs": ["import"],
    "write": ["gently"],
    "overwrite": [5],
    "fill": [5],
    "create_only": [5],
    "only_existing": ["yes"],
    "only_new": ["yes"],
    "skip_unchanged": ["yes"],
    "portal": [1.5, "mine"],
    "snapshot": ["yes"],
    "max_failures": [1.5, "some"],
    "limit": ["all", 0],
    "canary": ["many", 0, 10**9],
    "no_canary": ["yes"],
    "canary_wait": ["long", -1],
    "approve_canary": ["yes"],
    "tolerate": [1.5, "some"],
    "restart": ["yes"],
    "accept_changed_settings": ["yes"],
    "accept_changed_results": ["yes"],
    "max_duration": ["soon", 0.0],
    "drain_timeout": ["long", -1],
    "checkpoint": [5],
    "checkpoint_dir": [5],
    "results": [5],
    "no_results": ["yes"],
    "add_to_list": [5, " a "],
}
#: Values that are wrong together: the first keyword is named.
WRONG_TOGETHER = [
    {"token_file": "/a", "oauth_file": "/b"},
    {"token": "t", "token_command": "op"},
    {"id_property": "a", "match": "b,c"},
    {"only_new": True, "only_existing": True},
    {"only_new": True, "id_property": "id"},
    {"overwrite": ["a"], "fill": ["a"]},
    {"canary": 5, "no_canary": True},
    {"map": {"a": "b"}, "ignore": ["a"]},
    {"clear": ["a"], "ignore": ["a"]},
    {"checkpoint": "a", "checkpoint_dir": "b"},
    {"suppress": Suppression.of(["a@b.com"]), "object_type": "deals", "id_property": "x"},
    {"opt_outs": "list", "object_type": "deals", "id_property": "x"},
    {"values": {"a": {"n/a": "b"}}, "blank_value": ["n/a"]},
    {"suppress_where": {"a": ["yes"]}, "blank_value": ["yes"]},
    {"add_to_list": "x", "object_type": "p_cars", "id_property": "x"},
]


_SIGN_IN = {"token_file", "token_command", "oauth_file", "oauth"}


def refusal_of(given):
    with pytest.raises(SettingsError) as refused:
        make_settings(("a.csv",), (), ({} if _SIGN_IN & given.keys() else {"token": "t"}) | given)
    return str(refused.value)


def test_a_wrong_value_is_known_of_every_keyword():
    assert WRONG.keys() == Options.__annotations__.keys()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused_in_a_line_that_names_the_keyword(name):
    for value in WRONG[name]:
        text = refusal_of({name: value})
        assert re.search(rf"\b{name}(=|\b)", text), text
        assert not re.search(r"(?<!\S)-{1,2}[a-z]", text), text
        assert "\n" not in text, text


@pytest.mark.parametrize("given", WRONG_TOGETHER, ids=" and ".join)
def test_values_that_exclude_each_other_are_refused_by_their_keywords(given):
    text = refusal_of(given)
    assert f"{next(iter(given))}=" in text, text
    assert not re.search(r"(?<!\S)-{1,2}[a-z]", text), text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"check_point": "x"}, "did you mean checkpoint"),
        ({"mapped": {"a": "b"}}, "it is called map now"),
        ({"policies": {}}, "overwrite, fill and create_only"),
        ({"token": ""}, "no access token: set token=, or use token_file= or token_command="),
    ],
)
def test_what_is_no_keyword_is_refused(given, text):
    assert text in refusal_of(given)


# --- help ---


@pytest.mark.parametrize(
    ("function", "options"),
    [
        *((one, Options) for one in (upload, Uploader, check, preview, upload_sync)),
        *((one, ConnectionOptions) for one in (verify, undo)),
    ],
)
def test_help_shows_every_option_with_its_meaning_its_type_and_its_default(function, options):
    text = pydoc.plain(pydoc.render_doc(function))
    parameters = inspect.signature(function).parameters
    for name in options.__annotations__:
        sentence = meanings()[name]
        assert f"    {name}\n" in text, name
        assert sentence[:20] in text, name
        assert parameters[name].default == DEFAULTS[name]
        assert parameters[name].annotation is not inspect.Parameter.empty
    assert "seams" not in parameters
    assert {one.kind for one in parameters.values()}.isdisjoint({inspect.Parameter.VAR_KEYWORD})
