"""The account's properties: listed, and those that a file's columns lack drafted, created and removed again.

column_profile    what the values of a column have in common, and the type for them
creation          one invocation of `create-properties`
creation_record   what was created, beside the file of definitions
definitions_file  the file of properties to be created
draft             such a file, drafted for columns without a property
listing           the properties of an object type, and which of them a word names
removal           created properties archived again, as long as they are empty
run               one listing: the account asked, and what could not be seen
"""
