"""What a job keeps on disk beside its sources.

associations_file         the links that rows ask for, and what became of each
checkpoint                the checkpoint file: identity, progress, tallies, one commit for all
checkpoint_tables         the tables of the checkpoint, one module each
created_records_file      the records that a job created whose key is not unique
duplicates_file           the file of rows that share a key
failed_rows               the failed rows of a job as values
file_names                the names of the files beside a checkpoint
files_to_purge            finds and removes the files of a job, for `purge`
keys_of_one_contact_file  the file of contacts that replies named, until the job ends
keys_of_results           the keys that most rows have, counted from the results file
list_file                 which records belong into a job's list, and which of them the job has put there
opt_outs_file             the list of addresses that opted out, for HubSpot's import
output_files              files that options name for results: lists and drafts
results_file              the results file, cut back to its committed length
rows_of_results           the rows of a results file as values
rows_without_snapshot     rows that a job wrote without a snapshot
snapshot                  what contacts held before the job wrote them, for `undo`
snapshot_entry_origins    for which row each snapshot entry was read, and whether that row was written
snapshot_entry_state      whether a snapshot entry was read before the job's first write
undo_progress             how far a job is undone
"""
