"""A HubSpot mock server: what `uploader mock-server` runs, and what tests talk to.

It simulates an account from what is known of the API (schemas, recorded bodies, reports of others), with the
faults that a scenario orders. It shares no code with the rest of `uploader`, so that a misreading of the API
on one side cannot be confirmed by the other.

    account            the simulated account: records, properties, owners, rules
    bodies             request bodies read, reply bodies made
    control            the `/_mock/` endpoints for tests
    faults             what a scenario makes go wrong
    http_handlers      the aiohttp handlers
    pytest_plugin      the `hubspot_mock` fixture
    quota              the burst window and the day
    request_and_reply  requests and replies as values
    routes             which endpoint a method and path mean
    server             the mock server on a loopback address
    settings           the settings of one mock server
    simulator          the whole mock server without sockets: a request in, a reply out
    statistics         counts and the log of the last requests
"""
