"""The operating system: files, file systems, SQLite and threads, for any layer above.

blocking_calls      a thread for blocking calls, awaited from the event loop
boot_id             an id of the machine's start
disk_buckets        entries sorted into buckets in a temporary file
disk_flush          writes files and folders through to the disk
file_locks          locks on files, between processes
filesystem_of_path  the file system of a path
installation        the command that installs what is missing
mounts              the mount table decoded: the file system of a path
open_files          how many files this process may have open
private_files       private files, checks against symbolic links, the lock of a job
same_place          whether two paths lead to one file
sqlite              SQLite files: opened safely, removed; their errors translated
stop_signals        signals that stop a command
supported_systems   which systems uploader runs on
system_programs     what small programs of the system say
temporary_folder    private folders for files that nothing needs later
whole_file          writes a file completely or not at all
"""
