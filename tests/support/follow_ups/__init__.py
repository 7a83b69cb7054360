"""What follows the rows of a job, in tests.

killed_commits  kills a job just before or just after one of its commits
list_runs       jobs whose records are put into a list
undone          runs an undo of links or lists in virtual time, with a kill if wanted
"""
