"""The fixture that third parties use, here without the installed entry point."""

from uploader.mockserver.pytest_plugin import hubspot_mock

__all__ = ["hubspot_mock"]
