"""The findings of `check`, as lines and as JSON.

as_json     the findings for scripts
details     all findings, as lines
next_steps  the verdict, and the command to type next
"""
