"""Where rows come from. `open` has the way in; `base` holds what all sources offer."""
