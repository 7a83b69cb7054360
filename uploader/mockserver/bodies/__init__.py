"""Bodies of requests and replies. Values in, values out.

batch_reply      the body that answers a batch, in each shape that was seen
batch_request    the body of a batch request, read or refused
documented_form  replies with all that the official schemas require
error_bodies     the bodies of errors
"""
