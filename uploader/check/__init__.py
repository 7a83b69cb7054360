"""`check`: everything that can be known before the first write.

mapping_draft  a proposed mapping file
run            one check, from the token to the last row
"""
