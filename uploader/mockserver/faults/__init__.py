"""What a scenario makes go wrong, and for which request.

broken_replies  what a fault makes of a reply: status, body, connection
latency         how long a reply takes
other_writers   workflows and people that change records after they were written
scenario        the scenario file, and which request a fault strikes
toml_tables     tables of a file read into dataclasses, unknown keys refused
"""
