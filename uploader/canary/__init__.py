"""The canary: a job's first rows, sent alone and looked at before the others follow.

assessment  what became of the canary's rows, and what others changed since
read_back   whether a job has a canary, and its contacts read back
"""
