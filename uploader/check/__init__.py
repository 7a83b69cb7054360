"""`check`: everything that can be known before the first write.

draft  a proposed mapping file
run    one check, from the token to the last row
"""
