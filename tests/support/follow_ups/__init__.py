"""What follows the rows of a job, in tests.

list_runs  jobs whose records are put into a list
"""
