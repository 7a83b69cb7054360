"""Passes over all rows before the first one is sent.

bad_values      the values that options do not take, counted
before_sending  which passes a job needs, and their results
column_counts   filled cells and different values of each column
duplicates      rows that share a key, found
first_keys      the keys of the first rows, counted
formats         how dates and numbers are spelled, inferred
link_values     the values of link columns, counted
older_keys      whether keys of a job of an earlier version are read as they were
postal_codes    postal codes that may have lost their zeros
row_findings    what the rows of all sources hold, counted
survey          one pass over all sources, in steps
"""
