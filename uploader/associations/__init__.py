"""The pass over links: after the rows of an invocation are settled, their records are linked with others.

automatic_companies     what is said of the companies that HubSpot makes by itself
creation                creates other records that are not there, by their keys alone
existing_links          which records are linked already, read before links are made
link_progress           the counts of a job's links
link_verdict            what a reply means for the links of a batch
link_writer             one batch of links, until each has an outcome
links_list              the list of all links with their outcomes, as CSV
other_ends              the other records, found by the values that name them
results_of_another_job  the ids of another job's records, by its results file
run                     the pass, stage by stage
types                   the account's types of links, by their labels
work_list               the links to make, in batches, from the file of links
"""
