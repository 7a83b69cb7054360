"""Jobs whose rows link records.

runs       jobs that link contacts with companies, and the oracle of their links
undo_runs  undos of the links that a job made
"""
