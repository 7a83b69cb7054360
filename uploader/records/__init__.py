"""How a row becomes a record: pure functions over rows, rules and the schema. `values` converts values.

associations       columns that link records, and the links that rows ask for
blank_words        words that the user names and that stand for a blank cell
column_conversion  rows of one layout, converted and judged column by column
column_problems    columns resolved as far as possible, with all problems, for `check`
columns            which column is which property, and what is missing
duplicates         rows that share a key, and which of them are written
fields             the property and the conversion of a column, or of a field that a row names
fixed_values       values that every record gets (`--set`)
format_inference   date order, decimal mark and time zone of columns, inferred from their values
headers            which system a header is from, and what its columns may mean
known_headers      names of columns as they are compared, and which of them tell of opt-outs and consent
layouts            columns that are sent together, and the type that holds a record's properties
mapper             rows become records, or unsent rows with all that is wrong
mapping_file       the mapping file, parsed from TOML
not_a_row          which lines of a table are no rows: footers, totals, a repeated header
repeated_keys      keys that very many rows have, counted in bounded memory
replacements       replacements of values that the property cannot take
seen_fields        the fields that rows have named so far, as one layout
suppressed_rows    which rows are suppressed, by a list or by a column
suppression_list   a suppression list: what its lines mean, and which addresses it holds
values             the conversion of values, by type
write_policy       which values of a record are sent, given what HubSpot holds
"""
