"""Every command that a command prints as the next one works when it is pasted into a shell."""

import html
import json
import os
import re
import subprocess
import sys
from collections import deque
from pathlib import Path

import pytest

from support.processes import TOKEN

VERBS = "upload|check|preview|status|failures|verify|undo|report|purge"
#: The command of a line is its end, and may be all of it.
COMMAND = re.compile(rf"(?:^|[:(] |then |again: )(uploader (?:{VERBS}) .*?)\)?$", re.MULTILINE)
IN_PAGE = re.compile(rf"uploader (?:{VERBS}) [^<]*")
#: More than any of these jobs prints.
MOST = 20
#: The failed rows are not corrected here, so they fail again, and so on.
AGAIN = re.compile(r"\.failures(-\d+\.|\.\w+\.checkpoint)")
ROWS = [
    'E-Mail,First Name,Owner,Note\'s "text"',
    "a@example.com,Ann,Old Ann,x",
    "nonsense,Bob,Old Ann,y",
    "gone@example.com,Gone,Old Ann,z",
    "c@example.com,Cid,Old Ann,z",
]
MAPPING = """
[columns]
"E-Mail" = "email"
"First Name" = "firstname"
Owner = "hubspot_owner_id"
"Note's \\"text\\"" = { ignore = true }
"""


class Shell:
    """Pastes commands; `variables` are set in none but the first."""

    def __init__(self, folder, token=TOKEN):
        self.folder = folder
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.variables = {"PATH": programs, "LANG": "C.UTF-8", "COLUMNS": "80"}
        if token:
            self.variables["HUBSPOT_ACCESS_TOKEN"] = token

    def paste(self, line, **variables):
        return subprocess.run(
            ["/bin/bash", "-c", line],
            cwd=self.folder,
            env=self.variables | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def follow(self, *lines, **variables):
        """Paste the lines, then every command that is printed. Returns their exit codes."""
        waiting, codes, texts = deque(lines), {}, {}
        while waiting:
            line = waiting.popleft()
            ended = self.paste(line, **(variables if line in lines else {}))
            codes[line] = ended.returncode
            texts[line] = ended.stdout + ended.stderr
            printed = COMMAND.findall(texts[line])
            for page in self.folder.glob("*.html"):
                printed += map(html.unescape, IN_PAGE.findall(page.read_text()))
                page.unlink()
            fresh = [one for one in dict.fromkeys(printed) if not AGAIN.search(one)]
            waiting += [one for one in fresh if one not in codes and one not in waiting]
            assert len(codes) < MOST
        # It did what it says, or waits for the canary's approval. Anything else: it could not.
        failed = {line: texts[line] for line, code in codes.items() if code not in {0, 1, 3}}
        assert failed == {}
        return codes


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "Ann's exports"
    made.mkdir()
    return made


def verbs_of(codes):
    return {line.split()[1] for line in codes}


def test_from_check_to_undo_with_files_for_everything(folder, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    (folder / "my file's.csv").write_text("\n".join(ROWS) + "\n")
    (folder / "map 1.toml").write_text(MAPPING)
    (folder / "owners $1.csv").write_text("Old Ann,41629779\n")
    (folder / "values 1.csv").write_text("First Name,Ann,Anna\n")
    (folder / "gone & away.txt").write_text("gone@example.com\n")
    shell = Shell(folder)
    codes = shell.follow(
        'uploader check "my file\'s.csv" --mapping "map 1.toml" --owner-map \'owners $1.csv\' '
        f"--values 'values 1.csv' --suppress 'gone & away.txt' --base-url {mock.url}",
    )
    codes |= shell.follow('uploader report "my file\'s.csv.checkpoint"')
    assert verbs_of(codes) == {"check", "report", "preview", "upload", "failures", "verify", "undo"}
    (again,) = [line for line in codes if line.startswith("uploader upload") and "failures.csv" in line]
    assert "--mapping 'map 1.toml'" in again
    assert "--values 'values 1.csv'" in again
    assert not {"--map", "--ignore"} & set(again.split())


def test_rows_that_csv_cannot_hold_with_a_token_file_and_an_account_named_by_a_variable(folder, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    rows = [
        {"idProperty": "external_id", "id": "7", "properties": {"tier": "platinum"}},
        {"id": "a@example.com", "properties": {"firstname": "Ann"}},
    ]
    (folder / "-inputs.ndjson").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (folder / "my token").write_text(TOKEN)
    (folder / "my token").chmod(0o600)
    codes = Shell(folder, token="").follow(
        "uploader upload ./-inputs.ndjson --token-file 'my token' --api-version 2026-03",
        HUBSPOT_BASE_URL=mock.url,
    )
    assert any(line.startswith("uploader failures ./-inputs") and ".ndjson" in line for line in codes)
    (again,) = [line for line in codes if line.startswith("uploader upload ./-inputs.failures.ndjson")]
    for words in (f"--base-url {mock.url}", "--token-file 'my token'", "--api-version 2026-03"):
        assert words in again


def test_a_canary_is_approved(folder, hubspot_mock):
    mock = hubspot_mock(quota="100000/10")
    (folder / "contacts.csv").write_text("email\n" + "".join(f"c{n}@example.com\n" for n in range(9)))
    codes = Shell(folder).follow(
        f"uploader upload contacts.csv --canary 2 --canary-wait 0 --base-url {mock.url}"
    )
    assert list(codes.values()) == [3, 0]
    assert len(mock.contacts()) == 9
