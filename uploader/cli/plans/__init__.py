"""Plans: files with several steps, each of which is a project file.

sections  what each step of a plan says, with the keys that hold for all
"""
