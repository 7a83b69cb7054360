"""The README's test command draws the same examples every time; others are drawn where they are asked for."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEST = """
from hypothesis import given, strategies as st

@given(st.integers())
def test_drawn(number):
    with open("drawn", "a") as file:
        print(number, file=file)
"""


OTHER = f"NUMBERS = {[7_654_321 * number for number in range(1, 400)]}"
BEFORE = """
import other

def test_nothing():
    pass
"""


def drawn_with(folder: Path, *options: str) -> str:
    command = (sys.executable, "-m", "pytest", "-p", "conftest", "-c", ROOT / "pyproject.toml", *options, ".")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}:{folder}", "CI": ""}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    drawn = folder / "drawn"
    text = drawn.read_text()
    drawn.unlink()
    return text


def test_examples_are_the_same_unless_others_are_asked_for(tmp_path):
    (tmp_path / "test_drawn.py").write_text(TEST)
    usual = drawn_with(tmp_path)
    (tmp_path / "other.py").write_text(OTHER)
    (tmp_path / "test_before.py").write_text(BEFORE)  # whatever the process has loaded
    assert drawn_with(tmp_path) == usual
    assert drawn_with(tmp_path, "-m", "soak") != usual
    assert drawn_with(tmp_path, "--hypothesis-profile=random") != usual
