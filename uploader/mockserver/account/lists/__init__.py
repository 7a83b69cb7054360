"""Lists of records, which HubSpot also calls segments: made, found, filled and emptied. No I/O.

endpoints  one method an endpoint
requests   the bodies of requests, read or refused
store      the lists of an account, with their members
"""
