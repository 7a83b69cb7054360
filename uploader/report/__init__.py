"""`report`: a job as one HTML page. The page's template is page.html.

charts   charts as SVG text
content  what the report says of a job
"""
