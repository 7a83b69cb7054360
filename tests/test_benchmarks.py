"""The benchmarks go by names of the package, and are run by hand: a name that has moved shows here."""

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
