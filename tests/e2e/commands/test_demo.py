"""`uploader demo`: the first command of the README, from its file to what failed."""

import pytest

from support.processes import run


@pytest.mark.soak
def test_the_demo_kills_its_upload_resumes_it_and_lists_what_failed(tmp_path):
    done = run("demo", "--folder", "demo", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "killed it (SIGKILL)" in done.out
    assert (tmp_path / "demo" / "contacts.failures.csv").stat().st_size
    rows = (tmp_path / "demo" / "contacts.csv.results.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 20_001
