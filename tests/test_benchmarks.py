"""The benchmarks go by names of the package, and are run by hand: a name that has moved shows here."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMPORT_ALL = """
import importlib, pkgutil, benchmarks
for found in pkgutil.walk_packages(benchmarks.__path__, "benchmarks."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
"""


def test_every_benchmark_can_be_imported():
    ran = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_instructions_are_not_counted_without_valgrind_and_a_line_says_what_to_do():
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.cost_by_part", "--instructions"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": ""},
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "valgrind is missing: install it, or leave --instructions out to measure seconds\n"
