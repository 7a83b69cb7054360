"""The operating system: files, file systems, SQLite and threads, for any layer above.

blocking_calls      a thread for blocking calls, awaited from the event loop
disk_buckets        entries sorted into buckets in a temporary file
filesystem_of_path  on which file system a path is
mounts              the mount table, read purely: the file system of a path
private_files       private files, checks against symbolic links, the lock of a job
sqlite              SQLite files: opened, written safely where they lie, removed; their errors
whole_file          a file that is written whole or not at all
"""
