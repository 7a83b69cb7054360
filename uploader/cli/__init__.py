"""The command line. Only this package prints, reads the environment or exits.

commands          one module a command
demo_files        the files that `uploader demo` makes
guide             `init --guide`: a project file completed by questions
logs              log lines on stderr, for people or as JSON
main              the list of commands, and how an error reaches the user
option_variables  options given by environment variables
options           options that commands share
output            lines, JSON and rows on stdout, and lists in files
pages             HTML pages, made of templates and written
plans             plans: files with several steps, each of which is a project file
progress          what is seen while a run is under way
project_file      the project file: options in TOML
project_reading   project files and plans, read
project_schema    the JSON Schema of the project file
status_watch      `status --watch`: a job of another process, followed
suggestions       what a mistyped command or option was meant to be
summary_file      `--summary-file`
terminal          lines as a terminal shows them
text              findings and summaries as text
typed_answer      a line typed at the terminal
undo              `undo` of what is no record: list, links, properties
work_display      what is seen while undo and verify are under way
workbook          texts in an Excel workbook
"""
