"""The programs on a page of the manual, as they stand there: run, and checked for types."""

import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parents[3]
_PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)


def sections(page: str) -> dict[str, str]:
    """What stands below each heading."""
    text = (files("uploader") / "docs" / page).read_text(encoding="utf-8")
    parts = re.split(r"^##+ (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def examples(page: str) -> dict[str, str]:
    """The programs, by the heading above each."""
    blocks = {name: _PROGRAM.findall(text) for name, text in sections(page).items()}
    assert all(len(found) <= 1 for found in blocks.values()), "two programs below one heading"
    return {name: found[0] for name, found in blocks.items() if found}


def run_example(example: str, folder: Path, url: str, *, is_strict: bool = True, **variables: str) -> str:
    """What it prints; if strict, it must not warn of anything it leaves open."""
    script = folder / "example.py"
    script.write_text(example, encoding="utf-8")
    environment = {"HUBSPOT_ACCESS_TOKEN": "test-token", "HUBSPOT_BASE_URL": url, **variables}
    done = subprocess.run(
        [sys.executable, *(("-X", "dev", "-W", "error") if is_strict else ()), script.name],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # On a busy machine any step may take long, and asyncio's debug mode tells which.
    printed = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
    assert done.returncode == 0, done.stderr
    assert printed == [] or not is_strict, done.stderr
    return done.stdout


def check_types(programs: Iterable[str], folder: Path) -> None:
    """By the types that the package ships, as strictly as the package itself."""
    scripts = []
    for number, program in enumerate(programs):
        scripts.append(folder / f"example_{number}.py")
        scripts[-1].write_text(program, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", *map(str, scripts)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
