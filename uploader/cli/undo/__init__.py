"""What `uploader undo` asks and says beside the records of a job.

approval        the questions before each part
before_records  what is undone before the records: list and links
"""
