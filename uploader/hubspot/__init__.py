"""What HubSpot is: requests, replies, schema, sign-in, and the connection. Nothing here knows of jobs.

account         the account that a token belongs to
associations    links between records: the body of a batch, replies, types
client          one request out, one reply back, with aiohttp
error_objects   error objects of a reply, decoded leniently
json_values     single values of a reply, decoded leniently
lists           lists of records: requests, and what replies say
missing_scopes  the scopes that a refusal names as missing
new_properties  properties to be created or archived: request bodies and replies
object_types    names and ids of object types, and what only contacts have
owner_lookup    the owners of an account, found by id, e-mail address or name
proxy           which proxy and which certificate authorities apply to the base URL
record_limits   the account's limit of records
replies         what a decoded reply holds
reply_decoding  replies, decoded leniently
requests        paths, and the bodies of requests
schema          an object type's properties: types, options, read-only and unique ones
sign_in         tokens: where they come from, what they may do, when they are renewed
stage_lookup    the pipelines of an object type and their stages, found by id or name
tls             TLS and proxies for aiohttp, and their errors as replies
transport       what sends requests: the call, and the protocol that the client keeps
"""
