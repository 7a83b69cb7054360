"""The Python API. `uploader` exports its names.

consent           whether an account is written to, and a canary approved
described         what `help` shows of the options of a function
features          `check`, `preview`, `verify`, `undo` and `failures`
keyword_settings  settings from keywords
keyword_values    what each keyword takes
options           the options as keywords, and what each means
preparation       from sources and options to a job
put_job           a job whose rows are put one by one
reports           what these functions return
running           a job beside the caller's task
started_job       a job as a task: its outcomes, its end
sync              the same functions for programs without an event loop
unkept_job        what a job can't have that keeps no files
uploader          `Uploader` and `upload`: jobs run by a program
wording           texts that name options, with keywords in their place
"""
