"""When a request may be sent: the burst quota, the daily quota, requests in flight, and forecasts.

calendar         when the account's day ends
daily_quota      what is left of the day, and the part kept for other apps
forecast         how long a number of requests takes
in_flight_cap    the cap on batches in flight
in_flight_slots  waiting for a free slot under that cap, and until no request waits for its permit
limiter          the exact log of sends: no window holds more than the quota
search_pace      when a search may leave: its endpoint has a limit of its own
trusted_clock    elapsed time and HubSpot's time, from clocks that may be wrong
use_by_others    what other programs use of the same quota, inferred from replies
"""
