"""`uploader undo` of what is no record of a job.

approval        the question before they are undone
before_records  what is undone before the records: list and links
links           the links that a job made
properties      the properties that `create-properties` made
record_list     the list that a job's records were put into
"""
