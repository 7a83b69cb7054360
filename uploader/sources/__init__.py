"""Rows from files, streams, iterables and databases. `open` opens a source, `bytes` and `sql` read, `formats`
parses.

bytes               bytes of files, pipes and the network; compression, encodings, lines
content_reader      content in UTF-8, unpacked and decoded, and its encoding detected
database_urls       URLs of databases: their parts, and which may be shown
detect              the format of a source, by its content
foreign             files that are no source, and what to do with them
formats             one module a format: bytes to rows
names               names of sources: paths, patterns, URLs, and which part may be shown
open                detects what a source is, and opens it
patterns            the files that match a pattern
put_rows            rows that a Python program puts one by one
python_rows         rows from a Python program
source              the interface of every source
sql                 rows of a database
table_source        reads Parquet and Excel from any row on
text_source         reads text formats from any byte on
unreadable_reasons  why a row or a file cannot be read, where formats share the text
"""
