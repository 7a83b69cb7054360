"""`preview`: the real pipeline, with nothing written.

as_json            the findings for scripts
overlay            the values that the account would have besides those it has
read_only_client   a client that refuses to write
row_counts         counts what would be done with each row, and why
row_details        the first rows: cells, what would be sent, what HubSpot has
run                one preview, from opening to its report
simulated_contact  contacts as they would be after the rows before
simulated_sender   a sender that answers upserts itself
value_changes      what a run would do to values, counted with examples
"""
