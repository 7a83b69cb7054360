"""Measurements and long trials of the whole program, run by hand against a mock server of their own.

One module a benchmark. `support` holds what they share: it makes files of contacts, runs `uploader` on them
as a user would, as a process, and checks that what came out is right. `README.md` is the map. Only
`fuzz_readers` imports `uploader`: the others use its commands.
"""
