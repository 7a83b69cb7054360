"""Runs the undo of a job's links in virtual time, with kills if wanted."""

from support.follow_ups.undone import undone
from support.jobs import Job
from uploader.storage.associations_file import AssociationsFile
from uploader.undo.job.parts import find_links
from uploader.undo.links import LinksReport, LinksUndo, links_settings


def undo(
    job: Job, *, named=None, kill_after=None, portal=None, restart=False, outage=600.0, **options
) -> LinksReport | None:
    """One invocation of the undo of a job's links; None if it was killed."""
    path = job.settings().checkpoint_path
    found = find_links(named or path, "")
    assert found is not None
    file = AssociationsFile(path, found.number)
    file.open(found.job)
    more = {"restart": restart, "outage_seconds": outage, "token": "t"}
    settings = links_settings(file, path, found.object_type, **more)
    return undone(
        job,
        file,
        lambda seams: LinksUndo(settings, file, portal or found.portal, seams, **options),
        kill_after,
    )
