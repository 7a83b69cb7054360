"""The operating system: files, file systems, SQLite and threads, for any layer above.

disk_buckets   entries sorted into buckets in a temporary file
files          private files, checks against symbolic links, the lock of a job
filesystem     on which file system a path is, and how SQLite writes there
mounts         the mount table, read purely: the file system of a path
whole_file     a file that is written whole or not at all
worker_thread  a thread for blocking calls, awaited from the event loop
"""
