"""What several tests use; no test file imports from another one.

builders              builds records, batches and replies
check_runs            runs of check in virtual time
conflicts             which open rows are linked, found by comparing all of them
databases             databases with rows to upload
exports               exports of other systems, each with a made-up person, as `source_files` reads them
follow_ups            what follows the rows of a job: lists
fork_server           forks processes of the command line from an interpreter that has imported the package
hostile_proxy         a server in front of the mock server that puts escape codes into every text
inline_thread         replaces a worker thread in virtual time
intercepted_requests  a job over a file, the requests it sent, and replies changed before it gets them
jobs                  whole jobs in virtual time, and the oracle that checks them
killed_runs           a job whose process is killed while an upsert is under way
links                 jobs whose rows link records
manual                programs on pages of the manual
migrations            exports of made-up companies from other systems, and the manual's way with them
mock_requests         requests to the simulated account without sockets
mock_transport        the mock server's logic as a transport of the pipeline, without sockets
model                 random jobs for the tests in tests/model
official_schemas      HubSpot's official schemas of the paths that uploader uses
paced_clients         several clients on one token, and their accepted requests
plans                 plans of three steps, run in virtual time
processes             the command line as real processes: run, start, kill, wait
programs              programs that use the Python API
property_runs         properties created and archived in virtual time
schema_check          what the mock server gets and gives, held against the official schemas
soaked                parameters of which some are for `-m soak` alone
source_files          files written in every format, and their cells as read; the exports
undo_runs             jobs to be undone, undo in virtual time, and what an account holds
verify_runs           verify in virtual time
virtual_loop          an event loop whose clock jumps to the next timer
"""
