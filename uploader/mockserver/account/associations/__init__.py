"""Associations between records: their types and labels, the links, and the endpoints. No I/O.

definitions  the association types of each pair of object types, with labels and limits
endpoints    one method an endpoint
links        which records are associated, and which company is the primary one
replies      the bodies of replies
requests     the bodies of requests, read or refused
targets      the object types that records are associated with
"""
