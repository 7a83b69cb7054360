"""Rows of a database's table, or of a query, through SQLAlchemy.

cells         values of a database as texts
connection    one database: drivers, queries, their errors
drivers        which driver reads which database, and which package has it
ordered_query  the queries around a statement: rows counted, and those behind a key
sql_source    the `Source`: a query read in pages, or as a whole
sqlite_file   an SQLite file that is given as a path
statement     what a statement says: whether it only reads, and by what it orders its rows
tables        a table by its name, and the statement that reads it
trail         the rows read so far: their hash, and the ordering key that reading can go on behind
"""
