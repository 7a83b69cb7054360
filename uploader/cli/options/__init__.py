"""Options that commands share, and their settings.

columns           what columns mean, and how values are spelled
connection        how to talk to HubSpot: token, URL, rate, proxy
group             options that are given to a command together
parameters        what options are called, and what they take
project           project files and plans that were read
source_and_key    what is read, and what rows are matched by
suppression       who must not be written to, and values for every record
write_policy      what of HubSpot's values may be overwritten
"""
