"""What a page of the manual shows, run as it stands there.

programs  the programs on a page: run, and checked for types
"""
