"""One module for each command: it makes settings from options, runs the job, and prints the result.

check              `uploader check`
create_properties  `uploader create-properties`
demo               `uploader demo`
failures           `uploader failures`
help               `uploader help`
init               `uploader init`
migrate            `uploader migrate`
mock_server        `uploader mock-server`
preview            `uploader preview`
properties         `uploader properties`
purge              `uploader purge`
report             `uploader report`
schema             `uploader schema`
status             `uploader status`
undo               `uploader undo`
upload             `uploader upload`
verify             `uploader verify`
"""
