"""The plain values that all layers exchange. Nothing here does I/O, and nothing here imports another layer.

associations         columns that link records, and the links that rows ask for
canary               a job's first rows, sent alone, and their outcomes
chain_of_rows        open rows that are written one after the other
column_names         names of columns, compared and in commands
counted              numbers with their nouns
follow_ups           how far something is that follows the rows of a job
foreign_texts        texts from files and servers, as they can be shown
keys_of_one_contact  contacts that replies named, and keys that led to one contact
lists                a list of the records that a job has written, and how far it is filled
outcomes             the final states of a row
records              records, batches of them, and rows that are not sent
redaction            texts without addresses and ids of people
rows                 rows as sources give them
settings_periods     which settings applied to which rows of a job, and which rows have no snapshot
settled_rows         records with their outcomes, and the tallies
stop                 why a run pauses or stops, and the exception that ends it
timeline             counts and latencies per interval of a run
toml_problems        what is wrong with a text that is no TOML, with the lines
watermark            how far a job is: watermark, settled ranges, where reading resumes
"""
