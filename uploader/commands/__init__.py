"""One module a command. Only these and `cli` print, read the environment or exit."""
