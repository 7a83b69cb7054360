"""Databases with rows to upload.

customers        tables of customers in SQLite, and how they are read
postgres_server  a PostgreSQL server in a temporary folder
"""
