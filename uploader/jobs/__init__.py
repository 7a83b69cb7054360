"""One job, from opening to its last commit; and what other features share with it.

column_rules        the mappers of a job: rules resolved against sources and account
duplicates          rows that share a key, found before the first one is sent
findings            what the rows of all sources hold, counted
format_scan         a pass over the sources that infers how dates and numbers are spelled
identity            whether sources, settings and account belong to a checkpoint
identity_conflicts  contacts that several keys led to, read back at the end
opening             opening sources, lock, checkpoint, results file and snapshot
outcome_stream      outcomes handed to the program that iterates over them
preflight           what is asked of the account before the first write
prepare             what a job finds out of all rows before the first one is sent
progress_view       the state of a run at one moment, for a display
row_estimate        about how many rows the sources hold
row_outcome         the outcome of one row, as a program gets it
session             sender, account, patience and ways to stop: the base of every run
summary             how a run ended: JSON keys, exit code, advice
survey              one pass over all sources before anything is sent
upload              one upload: its tasks, how they start and how they end
"""
