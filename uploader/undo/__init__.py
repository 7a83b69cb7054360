"""`undo`: archive what a job created and restore what it changed, unless others have changed it since.

around_records      what the undos of a list and of links share: lock, account, settings
associated_records  whether calls, notes, deals or tickets keep a created record
association_reader  reads which objects are associated with records
batch_worker        reads one batch of contacts, then archives or restores them
created_others      what the job created for its links is archived
job               the undo of a whole job: list, links and records
link_plan           what of a job's links between two records ends, and what goes back
links               one undo of the links that a job made
made_links          the links that a job made, in pages, and what became of them
other_jobs          jobs of the same folder that wrote some of the same records
plan                what of a contact is still the job's, and goes back
record_list         what the job has put into a list is taken out again
record_writer       updates and archives records by their id
run                 one undo, from the snapshot to the last contact
settled_doubts      settles doubtful snapshot entries by a contact's history
taken_back          what other jobs wrote and their undo took back, out of a history
undo_file           what is to be undone, what was decided, what was done
value_before_job    finds what a value was before the job, by its history
work_list           the keys of a snapshot, grouped by contact
would_be_gone       what an undo that writes nothing would have taken back and archived so far
"""
