"""The Python API. `uploader` exports its names.

options   the settings of a job as keyword arguments
uploader  `Uploader` and `upload`: jobs run by a program
"""
