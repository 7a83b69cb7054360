"""How a plan stands, by its checkpoints."""

from pathlib import Path

from uploader.cli.plans.overview import _of_job


def test_the_files_of_a_step_are_named_as_its_job_named_them():
    settings = _of_job(Path("folder/people.csv.addresses.checkpoint"))
    assert settings.links_path == Path("folder/people.csv.addresses.links.csv")
    assert settings.checkpoint_path == Path("folder/people.csv.addresses.checkpoint")
