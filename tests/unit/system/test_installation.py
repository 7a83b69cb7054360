import ast
import importlib.util
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

import uploader
from uploader.errors import SourceError
from uploader.sources.bytes.remote import RemoteOrigin
from uploader.system.installation import install, install_extra

PACKAGE = Path(uploader.__file__).parent
PROJECT = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_command_installs_into_the_environment_that_runs():
    assert shlex.split(install("a<2")) == [sys.executable, "-m", "pip", "install", "a<2"]


def test_in_an_environment_without_pip_uv_installs(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert shlex.split(install("a<2")) == ["uv", "pip", "install", "--python", sys.executable, "a<2"]


def test_an_extra_belongs_to_this_distribution():
    assert shlex.split(install_extra("xlsx"))[-1] == f"{PROJECT['name']}[xlsx]"


def test_every_extra_that_a_message_names_exists():
    calls = [
        node.args[0].value
        for path in PACKAGE.rglob("*.py")
        if "install_extra(" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "install_extra"
    ]
    assert {"parquet", "remote", "xlsx"} <= set(calls) <= PROJECT["optional-dependencies"].keys()


def test_the_package_that_a_store_needs_is_named_by_a_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)  # not installed
    with pytest.raises(SourceError) as refused:
        RemoteOrigin("s3://bucket/contacts.csv")
    assert str(refused.value).endswith(f"is missing: {install('s3fs')}")
