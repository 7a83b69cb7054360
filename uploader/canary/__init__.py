"""The canary: a job's first rows, sent alone and looked at before the others follow.

review  what became of the canary's rows, and what others changed since
run     whether a job has a canary, and its reading back
"""
