"""`verify`: read the records and links of a job back and compare them with its rows.

as_json          the findings for scripts
corrections      the later jobs that uploaded failed rows, and are verified with the job
differences      the list of the differences, and the first of each kind
expected_values  what each contact should hold, by the settings that applied to its rows
job              a job by its checkpoint: opened, verified, and its differences listed
judge            compares a contact with what is expected
link_judge       compares the links of a record with those that the job made
links            the links of one verify: read and compared
links_table      the links in the file, and what was found of each
result_file      the result of the last verify, for the report
run              one verify, from the sources to the last contact
verify_file      the file of expected values and findings
"""
