"""The version: of the distribution, and as the checkpoint and the reports name it."""

__version__ = "0.11.0"
