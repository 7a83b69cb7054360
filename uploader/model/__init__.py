"""The plain values that all layers exchange. Nothing here does I/O, and nothing here imports another layer.

canary            a job's first rows, sent alone, and their outcomes
progress          how far a job is: the watermark, the settled ranges, where reading resumes
record            rows, records, slices of them, outcomes, settlements, tallies
redaction         texts without addresses and ids of people
settings_periods  which settings applied to which rows of a job, and which rows have no snapshot
sightings         which contacts a reply named for which rows, and keys that led to one contact
stop              why a run pauses or stops, and the exception that ends it
timeline          counts and latencies per interval of a run
"""
