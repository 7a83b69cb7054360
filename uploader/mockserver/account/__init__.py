"""The simulated account: its records, and how it answers valid requests. No sockets, no quota.

admin_validation_rules  validation rules that an admin has set
associations            associations between records, their types and labels
behaviour_switches      switches of behaviour, where HubSpot's is not known for sure
company_domains         companies that HubSpot makes from the domains of contacts
default_properties      the properties of a fresh account
endpoints               who answers which endpoint; reads, searches and record limits
exchange                one request, with what is decided about it
late_writes             writes that happen later than their requests
lists                   lists of records, and their endpoints
object_store            the records, properties and links of one object type
object_types            the object types of an account, and their words in texts
owners                  owners, listed page by page
pipelines               pipelines and their stages, listed
properties              properties, and the values they accept
property_changes        properties that clients create and archive
property_endpoints      properties listed, created and archived
record_writes           records upserted, updated, created and archived, and what follows a write by itself
respelling              the spelling in which an account may store values
search                  records found by their properties
store                   the records of one object type, in memory
tokens                  which tokens are accepted, and the OAuth endpoints
upsert_plan             what a batch upsert would write and refuse
"""
