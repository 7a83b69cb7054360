"""The Python API. `uploader` exports its names.

described         what `help` shows of the options of a function
keyword_settings  settings from keywords
keyword_values    what each keyword takes
options           the options as keywords, and what each means
running           a job beside the caller's task
uploader          `Uploader` and `upload`: jobs run by a program
wording           texts that name options, with keywords in their place
"""
