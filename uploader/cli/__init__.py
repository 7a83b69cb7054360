"""The command line: one module a command. Only this package prints, reads the environment or exits.

check             `uploader check`
demo              `uploader demo`
failures          `uploader failures`
logs              log lines on stderr, for people or as JSON
main              the list of commands, and how an error reaches the user
mock_server       `uploader mock-server`
option_variables  options given by environment variables
options           options that commands share
output            lines, JSON and rows on stdout, and lists in files
preview           `uploader preview`
progress          what is seen while a run is under way
purge             `uploader purge`
report            `uploader report`
signals           signals that stop a command
status            `uploader status`
status_watch      `uploader status --watch`
summary_file      `--summary-file`
text              findings and summaries as text
typed_answer      a line typed at the terminal
undo              `uploader undo`
upload            `uploader upload`
verify            `uploader verify`
"""
