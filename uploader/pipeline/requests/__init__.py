"""What is asked of HubSpot until there is an answer, or it is given up.

attempts            the loop that waits for answers: send, retry, split, give up
contact_reader      contacts read before they are written, or to verify
key_search          who has a key that is not unique
questions           requests answered as a whole, until each has a definite answer
read_back           records read back that were accepted and not confirmed
record_ids          the ids of settled rows, read by key where no answer named them
record_search       records found by the values of a property
retry               whether to try again, split or give up; the backoff
write_outage_probe  whether HubSpot takes writes at all, tried with a write that changes nothing
"""
