"""Exports of made-up companies from other systems, and the manual's way with them.

made_up_exports  the exports, and what an account must hold once they are uploaded; also a program
three_exports    three exports of one company whose records belong together; also a program
pages            the commands, outputs and edits that a page of the manual shows
"""
