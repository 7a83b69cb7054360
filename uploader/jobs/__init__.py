"""One job, from opening to its last commit; and what other features share with it.

account_day          when the account's day ends, and how long requests take until then and after
column_rules         the mappers of a job: rules resolved against sources and account
corrected_rows       files of a job's failed rows, and the later jobs that uploaded them
early_ending         how a run is ended early: by a signal, for a cause, by a bug
follow_ups           what follows the rows of a job, in its order
keys_of_one_contact  contacts that several keys led to, read back at the end
link_checks          whether the account has what link columns name
opening              opening sources, lock, checkpoint, results file and snapshot
outcome_stream       outcomes handed to the program that iterates over them
pipeline             the stages of a run, put together: how they start and how they end
preflight            requests before the first write: account, properties, owners
progress_view        the state of a run at one moment, for a display
resume_checks        whether sources, settings and account belong to a checkpoint
row_estimate         about how many rows the sources hold
row_outcome          the outcome of one row, as a program gets it
scans                passes over all rows before the first one is sent
session              what every job that sends requests has: sender, account, waiting times
summary              how a run ended: JSON keys, exit code, advice
upload               one upload, stage by stage
"""
