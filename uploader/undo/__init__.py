"""`undo`: what a job created is archived, what it changed is restored, unless others touched it since.

associated_records  whether calls, notes, deals or tickets keep a created record
association_reader  the associations of records, read
batch_worker        one batch of contacts: read, judged, archived or written back
plan                what of a contact is still the job's, and goes back
record_writer       records updated and archived by their id
run                 one undo, from the snapshot to the last contact
settled_doubts      doubtful snapshot entries, settled by a contact's history
undo_file           what is to be undone, what was decided, what was done
value_before_job    what a value was before the job, by its history
work_list           the keys of a snapshot, grouped by contact
"""
