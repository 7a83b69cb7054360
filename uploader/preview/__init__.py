"""`preview`: the real pipeline, with nothing written.

overlay           what the account would hold by now, beside what it holds
read_only_client  a client that refuses to write
row_notes         what would become of each row, and why
run               one preview, from opening to its report
simulated_sender  a sender that answers upserts itself
value_changes     what a run would do to values, counted with examples
"""
