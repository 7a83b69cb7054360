"""What a job keeps on disk beside its sources.

artifacts              every file that a job leaves, for `purge`
canary_rows            the canary's rows in the checkpoint
checkpoint             the checkpoint file: identity, progress, tallies, one commit for all
duplicate_rows         the file of rows that share a key
failed_rows            failed and pending rows in the checkpoint
file_names             what the files beside a checkpoint are called
period_rows            former settings and the rows they applied to, in the checkpoint
reading_state          whether a snapshot entry was read before the job's first write
results                the results file, cut back to its committed length
rows_without_snapshot  rows that a job wrote without a snapshot
run_state              progress and tallies in the checkpoint
sightings              the file of contacts that replies named, until the job ends
snapshot               what contacts held before the job wrote them, for `undo`
snapshot_readings      for which row each snapshot entry was read, and whether that row was written
timeline_rows          the run's timeline in the checkpoint
"""
