"""Values as files spell them, made into values as HubSpot takes them, and compared.

compare       whether a value that HubSpot holds is the one that was sent
convert       the converter of a property, by its type: booleans, owners, limits
date_numbers  numbers that stand for dates
datetimes     dates and times
email         what an e-mail address looks like
lists         lists of values as one text
month_names   names of months and weekdays
near_options  the option that somebody may have meant
nothing       words for no value, such as NULL
numbers       numbers, with any decimal mark
options       options, by value or label
placeholders  texts that may stand for no value
respellings   spellings that an account stores instead of what was sent
top_level_domains  domains that cannot exist, by IANA's list
translation   values replaced by the user's tables
value_tables  what replaces values, as a file lists it (`--values`)
wrappings     what spreadsheets do to texts
"""
