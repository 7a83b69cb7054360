"""The list of the records that a job has written (`--add-to-list`): found or made, and filled.

addition          what follows the rows of a job: their records are put into the list
doubts            who has put a record into the list, where an answer was lost
membership_task   one request's worth of records, added or taken out until that is answered
named_list        finds the list by name or id, and says why it can't be filled
"""
