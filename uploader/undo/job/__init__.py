"""The undo of a whole job, by any of its files: its list, its links, then its records.

as_json    the reports as JSON
kept_list  the list of what was kept
parts      which parts a job has
run        one undo, from the first part to the last
state      whether a job was undone before
"""
