"""The result of verify is that of its job, and replaces no other file."""

from uploader.storage.file_names import verified_path
from uploader.verify.judge import Verdict
from uploader.verify.result_file import read_result, write_result
from uploader.verify.run import Report


def test_a_result_is_of_its_job_and_replaces_only_a_former_one(tmp_path):
    checkpoint = tmp_path / "a.csv.checkpoint"
    assert read_result(checkpoint, "job") is None
    for equal in (1, 2):
        write_result(checkpoint, "job", 5.0, Report(counts={Verdict.EQUAL: equal}))
        assert read_result(checkpoint, "job")["counts"] == {"equal": equal}
    assert read_result(checkpoint, "another job") is None
    assert verified_path(checkpoint).stat().st_mode & 0o777 == 0o600
    verified_path(checkpoint).write_text("mine")
    write_result(checkpoint, "job", 5.0, Report())
    assert verified_path(checkpoint).read_text() == "mine"
    assert read_result(checkpoint, "job") is None
