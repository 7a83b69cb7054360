"""`report`: a job as one HTML page. Its template is page.html; check.html is that of `check --html`, and
style.html the look of both.

charts   charts as SVG text
content  what the report says of a job
"""
