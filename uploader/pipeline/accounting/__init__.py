"""What the collector is made of: rows are counted, and what became of them is committed.

commits                 what is settled and not yet durable, and its commit
counts                  counts of rows and outcomes, the sums that must add up
ledger                  open and settled positions, the watermark
superseded_failed_rows  which rows wrote a value of an earlier failed row
"""
