"""Jobs whose rows link records.

runs  jobs that link contacts with companies, and the oracle of their links
"""
