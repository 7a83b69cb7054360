"""Plans: files with several steps, each of which is a project file.

each_step      a command that is given a plan goes through its steps
overview       a plan as its checkpoints have it
sections       what each step of a plan says, with the keys that hold for all
step_settings  the settings of each step's job
watcher        what is printed and asked while a plan runs
"""
