"""What a header tells: the system that exported the file, and the properties that its columns may be. The
tables are data: one TOML file a system, and usual.toml for files of any origin.

near_properties  the property that a column may be, by a similar name
recognition      the system that a file comes from
tables           the tables, read when they are needed
"""
