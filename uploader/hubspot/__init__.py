"""What HubSpot is: requests, replies, schema, sign-in, and the connection. Nothing here knows of jobs.

account         the account that a token belongs to
auth            OAuth grants and token files: when a token is renewed, and what a refusal means
client          one request out, one reply back, with aiohttp
credentials     token files and OAuth files, read and kept up to date
errors          error objects of a reply, read leniently
json_values     single values of a reply, read leniently
object_types    names and ids of object types, and what only contacts have
owners          the owners of an account, found by id, e-mail address or name
proxy           which proxy and which certificate authorities apply to the base URL
record_limits   how many records an account may hold
schema          an object type's properties: types, options, read-only and unique ones
short_reply     a fast decoder for replies without errors
tls             TLS and proxies for aiohttp, and what went wrong with them
token_info      what HubSpot tells of a token: account, app, scopes
token_provider  the one place that holds the token and renews it
wire            the wire format: paths, request bodies, decoded replies and headers
"""
