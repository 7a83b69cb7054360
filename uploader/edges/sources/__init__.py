"""Where rows come from. `open` has the way in; `base` holds what all sources offer."""

from uploader.edges.sources.open import open_given, open_source, reread

__all__ = ["open_given", "open_source", "reread"]
