"""From lines or tables to rows: one module a format, and what formats share.

cell_text      numbers and times as text
csv_header     the head of a CSV file: delimiter, columns, where rows begin
csv_layout     what the head of a CSV file shows about its rows
csv_quotes     how far a row of CSV goes, stray quotes included
csv_rows       CSV and TSV rows
json_rows      the elements of a JSON array
lines_to_rows  blocks of lines cut into slices of rows
ndjson_rows    one JSON object a line
parquet        Parquet tables
rows_of_cells  rows of cells of binary formats, for Parquet and Excel
xlsx           Excel sheets
"""
