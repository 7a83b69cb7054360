"""The version of the package, as the checkpoint and the reports name it."""

__version__ = "0.10.0"
