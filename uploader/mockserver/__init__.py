"""A HubSpot double for contacts and other objects: what `uploader mock-server` runs and what tests talk to.

Lives here: an account simulated from what is known of the API (schemas, recorded bodies, third-party
reports), the faults a scenario can order, and a thin aiohttp server around both.
Does not live here: anything of the client. This package imports nothing else of `uploader`, so that a
misreading of the API on one side cannot be confirmed by the other.

`hub.Hub` is the whole double without sockets and without a clock; `server.MockServer` puts it on 127.0.0.1;
`pytest_plugin` offers it as a fixture. Scenario files are described in `faults`, standing rules in `rules`,
what admins demand in `validations`, who else changes records in `others`; the types of objects are `kinds`.
"""
