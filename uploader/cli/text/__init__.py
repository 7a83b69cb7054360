"""How findings read: values in, text out. Nothing is printed here.

canary              the canary's review
check               the findings of `check`, as lines and as JSON
control_characters  escape codes taken out of whatever is printed
next_command        the command to type next
preview             the findings of `preview`, as lines and as JSON
summary             numbers, durations and the summary of a run
undo_state          whether a job was undone
"""
