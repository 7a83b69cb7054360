"""The decisions: pure functions over values. Nothing here does I/O, reads a clock or rolls a die."""
