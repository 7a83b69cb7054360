"""From rows to settled outcomes: producer, queue, batcher, workers, sender, collector.

accounting           counts, the ledger, superseded failed rows, commits
batcher              which records go into a batch
collector            every settlement: counted, then committed
conflict_groups      which open rows conflict, and which of them wait for an earlier one
failure_limits       how many rows may fail
feed                 what was read and waits, from the queue to the batcher
follow_up            what follows the rows of a job: what it is given, and asked
keys_of_one_contact  what replies show of contacts reached by several keys
linked_keys          keys that rows have linked, for the rest of a job
producer             rows read, mapped and queued
rate                 rate limits and quotas
read_matching        which contact of a read belongs to which record
reply_verdict        what a reply means for each record
requests             asking until there is an answer: attempts, retries, reading
response_matching    which item of a write reply belongs to which record
searched_records     records whose key is not unique: found by search, created once
sender               the one place that sends: paced, paused, counted
value_authors        who wrote a value, by its history
worker               one batch, until every record of it is settled
worker_pool          how many workers there are, and when one starts
write_queue          records that were read, on their way into full batches of writes
"""
