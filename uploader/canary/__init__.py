"""The canary: a job's first rows, sent alone and reviewed before the others are sent.

assessment  compares the canary's contacts with its rows, and finds what others changed since
planning    whether a job has a canary, and whether it waits for an approval
read_back   reads the canary's contacts back
"""
