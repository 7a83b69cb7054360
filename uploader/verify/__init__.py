"""`verify`: the records of a job, read back and compared with its rows.

expected_values  what each contact ought to hold, by the settings that applied to its rows
judge            whether what was read is what was expected
run              one verify, from the sources to the last contact
verify_file      expected values and findings, in a file of their own
"""
