"""`report`: a job as one HTML page. Its template is page.html; check.html is that of `check --html`, and
head.html the head and the look of both.

charts   charts as SVG text
content  what the report says of a job
links    the links of a job: counts, missing records, reasons
"""
