"""One job, from opening to its last commit; and what other features share with it.

column_rules         the mappers of a job: rules resolved against sources and account
ending               how a run ends before its time, and the exception that tells of it
keys_of_one_contact  contacts that several keys led to, read back at the end
opening              opening sources, lock, checkpoint, results file and snapshot
outcome_stream       outcomes handed to the program that iterates over them
preflight            what is asked of the account before the first write
progress_view        the state of a run at one moment, for a display
resume_checks        whether sources, settings and account belong to a checkpoint
row_estimate         about how many rows the sources hold
row_outcome          the outcome of one row, as a program gets it
scans                passes over all rows before the first one is sent
session              sender, account, patience and ways to stop: the base of every run
summary              how a run ended: JSON keys, exit code, advice
upload               one upload: its tasks, how they start and how they end
"""
