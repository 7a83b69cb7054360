"""Random jobs, what must hold at their end, and bugs that must be found."""
