"""Random jobs, what must hold at their end, and bugs that must be found.

cases             random files, accounts, faults of the server, and interruptions
checks            what must hold at the end of a case
conflicting_rows  files with many conflicts: links, freed values, hot keys
expected_account  the oracle: rows applied to an account one at a time, in file order
planted_bugs      the package with one of its guarantees broken
running           runs a case in virtual time, with its kills and resumes
undo_cases        random jobs to be undone, and what others do in between
"""
