"""How a row becomes a record: pure functions over rows, rules and the schema. `values` converts values.

column_problems   columns resolved as far as possible, with all problems, for `check`
columns           which column is which property, and what is missing
duplicates        rows that share a key: how they are found and what becomes of them
fields            what a column, or a field that a row names itself, stands for
fixed_values      values that every record gets (`--set`)
format_inference  date order, decimal mark and time zone of columns, inferred from their values
known_headers     what other systems call their columns, opt-outs included
layouts           columns that are sent together, and what holds a record's properties
mapper            rows to records, or to what makes them invalid
mapping_file      the mapping file, parsed from TOML
seen_fields       the fields that rows have named so far, as one layout
suppressed_rows   which rows are suppressed, by a list or by a column
suppression_file  suppression lists, read from files
suppression_list  a suppression list: what its lines mean, and whom it holds
tables            rows of one layout, converted and judged column by column
values            the conversion of values, by type
write_policy      which values of a record are sent, given what HubSpot holds
"""
