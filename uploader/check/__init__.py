"""`check`: everything that can be known before the first write.

account        the account and its token, judged
as_json        the findings for scripts
bad_columns    the values that the property of a column does not take
blank_candidates  words that may stand for a blank
briefs         problems in few words
columns        what each column means
forecast       requests and time of the upload
links          how many of the records that rows are to be linked with are not there
mapping_draft  a proposed mapping file
mapping_edits  decisions, written into the text of a mapping or project file
missing_properties  columns that have no property, and a draft of properties for them
report         what a check found, as values
run            one check, from the token to the last row
value_draft    tables of what replaces values, and owner maps, proposed
"""
