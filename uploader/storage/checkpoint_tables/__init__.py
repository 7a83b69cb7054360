"""The tables of the checkpoint. Each module is called within the checkpoint's transactions.

canary                   the canary and its rows
failed_and_pending_rows  failed, pending and skipped rows
opt_outs                 addresses of rows that say "opted out"
progress_and_tallies     progress and tallies
settings_periods         former settings, and the rows they applied to
timeline                 counts per interval of the run
"""
