"""Measurements and long trials of the whole program, run by hand against a mock server of their own.

Lives here: what makes files of contacts, runs `uploader` on them as a user would, as a process, and tells
whether what came out is right. Nothing here imports `uploader`: only its outside face is used.
"""
