"""Bulk upload of contacts into HubSpot, with every row accounted for. The public API lives here."""

__version__ = "0.1.0"
