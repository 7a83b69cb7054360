"""Tokens: where they come from, what they may do, and when they are renewed.

credential_files  token files and OAuth files, read and kept up to date
token_command     runs a program that prints the token
token_info        what HubSpot says about a token: account, app, scopes
token_provider    holds the token of a run and renews it
token_renewal     when a token is renewed, and what a reply to that means
"""
