"""Bulk upload of contacts into HubSpot, with every row accounted for. The public API lives here.

from uploader import upload

summary = await upload("contacts.csv", token=...)
print(summary.as_dict())
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uploader.core.summary import Summary

__version__ = "0.5.0"
__all__ = ["__version__", "upload"]


async def upload(*sources: str, token: str, **settings: Any) -> "Summary":  # noqa: ANN401  # checked by Settings
    """Run a job, or resume it, and return its summary.

    `settings` are the fields of `uploader.settings.Settings`. Raise `uploader.errors.UploaderError` where the
    job can't start; a job that stops early says so in `summary.state`, `reason` and `exit_code`.
    """
    # Imported here, so that `uploader --help` does not load what it does not use.
    from uploader.run.pipeline import Run  # noqa: PLC0415
    from uploader.settings import Settings  # noqa: PLC0415

    return await Run(Settings(sources=sources, token=token, **settings)).run()
