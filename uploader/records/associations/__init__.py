"""Columns that link records: as the user gives them, and the links that rows ask for.

link_columns  link columns read from texts and tables, and what keeps them from being used
row_links     the links of the rows of a slice, column by column
"""
