"""The findings of `check`, as lines.

column_table  the columns as a table
details       all findings, as lines
links         the links of the rows, as lines
next_steps    the verdict, and the command to type next
page          the content of an HTML page
screen        the most important findings, as lines of one screen
"""
