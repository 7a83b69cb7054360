"""Findings as text: values in, text out. Nothing is printed here.

bad_values          the values that options do not take
canary              the canary's review
check               the findings of `check`, as one screen and in full
control_characters  escape codes taken out of whatever is printed
folding             texts and commands in lines that fit the terminal
forecast            the forecast of a run
new_properties      properties to be created, created and archived
next_command        the command to type next
numbers             numbers and durations
plan                a plan: what its steps will write, and how they ended
preview             the findings of `preview`, as lines
project_draft       the text of a new project file
properties          the account's properties, as a table and as JSON
summary             the summary of a run
table               a table that fits the terminal
terminal_lines      lines broken between words, with colours
undo_state          whether a job was undone
upload_again        the command that uploads failed rows again
verified_links      what `verify` found of links
"""
