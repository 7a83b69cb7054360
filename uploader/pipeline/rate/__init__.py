"""When a request may be sent: the burst quota, the daily quota, requests in flight, and forecasts.

calendar         when the account's day ends
clocks           elapsed time and the server's time, from clocks that may be wrong
daily_quota      what is left of the day, and the part kept for other apps
forecast         how long a number of requests takes
in_flight_cap    the cap on batches in flight
in_flight_slots  waiting for a free slot under that cap
limiter          the exact log of sends: no window holds more than the quota
shared_quota     what other programs with the same token use
"""
