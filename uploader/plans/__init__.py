"""Plans: several jobs that belong together, checked as a whole and run one after the other.

earlier_jobs  what the checkpoints of a plan's steps tell before it runs
ending        how a plan ended: its steps, their sums, the exit code
other_files   which records that links of one step name are in the file of another
record        the record of a plan: its steps, their files and states
record_file   where the record is, read and written
run           one invocation of a plan
"""
