"""Where rows come from: files, streams, iterables. `open` is the way in. `bytes` reads, `formats` parses.

bytes               bytes of files, pipes and the network; compression, encodings, lines
detect              which format a source is in, by its content
formats             one module a format: bytes to rows
names               how sources are named: paths, patterns, URLs, and what of them may be shown
open                opening a source, and its rows from any position on
patterns            the files that a pattern stands for
python_rows         rows that a Python program hands over
source              what every source offers
unreadable_reasons  why a row or a file cannot be read, where formats share the text
"""
