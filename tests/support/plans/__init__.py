"""Plans in tests.

runs  plans of three steps, run in virtual time
"""
