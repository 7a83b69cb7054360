"""Plans: files with several steps, each of which is a project file.

sections       what each step of a plan says, with the keys that hold for all
step_settings  the settings of each step's job
watcher        what is printed and asked while a plan runs
"""
