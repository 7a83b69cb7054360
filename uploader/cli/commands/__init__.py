"""One module a command: options to settings, the run, its report.

check        `uploader check`
demo         `uploader demo`
failures     `uploader failures`
help         `uploader help`
mock_server  `uploader mock-server`
preview      `uploader preview`
purge        `uploader purge`
report       `uploader report`
status       `uploader status`
undo         `uploader undo`
upload       `uploader upload`
verify       `uploader verify`
"""
