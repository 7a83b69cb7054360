"""The canary: a job's first rows, sent alone and reviewed before the others are sent.

assessment  compares the canary's contacts with its rows, and finds what others changed since
read_back   whether a job has a canary; reads its contacts back
"""
