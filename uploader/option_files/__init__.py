"""Files that options name, read: small ones, as a whole. Raise `SettingsError`, which names the option.

mapping       what columns mean, beside what options say of them
owner_map     owners in the source, and who they are in HubSpot
suppression   lists of people who must not be written to
text          a file as text
value_tables  what replaces values
"""
