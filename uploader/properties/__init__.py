"""The account's properties: listed, and those that a file's columns lack drafted, created and removed again.

listing  the properties of an object type, and which of them a word names
run      one listing: the account asked, and what could not be seen
"""
