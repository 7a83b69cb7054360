"""The Python API. `uploader` exports its names.

job      `Uploader` and `upload`: jobs run by a program
options  the settings of a job as keyword arguments
"""
